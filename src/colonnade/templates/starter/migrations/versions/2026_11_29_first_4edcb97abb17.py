"""first

Revision: 4edcb97abb17
After: nothing
Written: 2026-11-29 09:15
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "4edcb97abb17"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'archived')", name="ck_item_status_values"
        ),
        sa.CheckConstraint("length(name) <= 200", name="ck_item_name_max_length"),
        sa.CheckConstraint("length(name) >= 1", name="ck_item_name_min_length"),
        sa.PrimaryKeyConstraint("id", name="pk_item"),
    )
    op.create_index("ix_item_name", "item", ["name"])
    op.create_index("ix_item_status", "item", ["status"])


def downgrade() -> None:
    op.drop_table("item")
