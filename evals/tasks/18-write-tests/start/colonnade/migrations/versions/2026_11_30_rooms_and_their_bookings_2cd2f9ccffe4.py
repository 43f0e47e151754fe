"""rooms and their bookings

Revision: 2cd2f9ccffe4
After: nothing
Written: 2026-11-30 16:30
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "2cd2f9ccffe4"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="rooms_pkey"),
        sa.UniqueConstraint("name", name="rooms_name_key"),
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=50), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="bookings_room_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="bookings_pkey"),
    )
    op.create_index("ix_bookings_room_id", "bookings", ["room_id"])


def downgrade() -> None:
    op.drop_table("bookings")
    op.drop_table("rooms")
