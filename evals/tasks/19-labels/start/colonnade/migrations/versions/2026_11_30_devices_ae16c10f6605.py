"""devices

Revision: ae16c10f6605
After: nothing
Written: 2026-11-30 16:32
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from colonnade.migrations import steps

revision: str = "ae16c10f6605"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    steps.create_enum("status", ["online", "offline"])
    op.create_table(
        "devices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column(
            "status",
            sa.Enum("online", "offline", name="status", create_type=False),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="devices_pkey"),
        sa.UniqueConstraint("name", name="devices_name_key"),
    )


def downgrade() -> None:
    op.drop_table("devices")
    steps.drop_enum("status", ["online", "offline"])
