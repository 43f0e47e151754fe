"""Runs the commands of a page in one shell, as a reader would type them."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

SERVERS = re.compile(r"\b(uvicorn|colonnade demo|colonnade serve)\b")
"""Commands that run until they are stopped."""

PREAMBLE = r"""
set -euo pipefail
serve() {
    setsid bash -c "$1" & servers+=($!)
    for _ in $(seq 600); do
        curl -fs -o /dev/null http://127.0.0.1:8000/docs && return
        kill -0 "${servers[-1]}" || return 1
        sleep 0.1
    done
    return 1
}
servers=()
trap 'for server in "${servers[@]}"; do kill -TERM -- "-$server"; wait "$server" || true; done' EXIT
"""


def sh_commands(markdown: str) -> list[str]:
    """The commands in the ``sh`` blocks of a page, one per line."""
    blocks = re.findall(r"^```sh\n(.*?)^```", markdown, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def run_in_shell(commands: Sequence[str], cwd: Path, **environment: str) -> str:
    """Run commands in one shell, and stop at the first that fails.

    A command that serves is started in the background; the next ones run once it answers on port
    8000, and it is stopped at the end.

    Returns:
        What the commands printed.
    """
    lines = [
        f"serve {_quoted(command)}" if SERVERS.search(command) else command for command in commands
    ]
    with subprocess.Popen(
        ["bash", "-c", PREAMBLE + "\n".join(lines)],
        cwd=cwd,
        env={**clean_environment(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            output, _ = shell.communicate(timeout=400)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGTERM)
            output, _ = shell.communicate()
            raise AssertionError(f"The commands did not end:\n{output}") from None
    assert shell.returncode == 0, output
    return output


def clean_environment() -> dict[str, str]:
    """The environment of a user who has no virtual environment active."""
    hidden = ("COLONNADE", "DATABASE_URL", "PYTEST", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
