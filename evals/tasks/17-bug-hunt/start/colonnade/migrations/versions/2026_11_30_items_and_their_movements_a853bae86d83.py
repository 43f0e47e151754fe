"""items and their movements

Revision: a853bae86d83
After: nothing
Written: 2026-11-30 16:29
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "a853bae86d83"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="items_pkey"),
        sa.UniqueConstraint("name", name="items_name_key"),
    )
    op.create_table(
        "movements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="movements_item_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="movements_pkey"),
    )
    op.create_index("ix_movements_item_id", "movements", ["item_id"])


def downgrade() -> None:
    op.drop_table("movements")
    op.drop_table("items")
