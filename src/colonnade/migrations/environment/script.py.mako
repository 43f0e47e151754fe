<%def name="literal(value)">${'"%s"' % value if isinstance(value, str) else repr(value).replace("'", '"')}</%def>\
"""${message}

Revision: ${up_revision}
After: ${(", ".join(down_revision) if isinstance(down_revision, tuple) else down_revision) or "nothing"}
Written: ${create_date.strftime("%Y-%m-%d %H:%M")}
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${literal(up_revision)}
down_revision: str | Sequence[str] | None = ${literal(down_revision)}
branch_labels: str | Sequence[str] | None = ${literal(branch_labels)}
depends_on: str | Sequence[str] | None = ${literal(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
