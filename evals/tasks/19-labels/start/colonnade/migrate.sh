set -e
.venv/bin/colonnade upgrade
