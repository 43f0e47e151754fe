"""tickets, their labels and comments

Revision: 087c126b5a4f
After: nothing
Written: 2026-11-30 16:28
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "087c126b5a4f"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.PrimaryKeyConstraint("id", name="labels_pkey"),
        sa.UniqueConstraint("name", name="labels_name_key"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="people_pkey"),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reporter_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["reporter_id"], ["people.id"], name="tickets_reporter_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="tickets_pkey"),
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("body", sa.String(length=1000), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="comments_ticket_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="comments_pkey"),
    )
    op.create_table(
        "ticket_labels",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name="ticket_labels_label_id_fkey"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="ticket_labels_ticket_id_fkey"),
        sa.PrimaryKeyConstraint("ticket_id", "label_id", name="ticket_labels_pkey"),
    )


def downgrade() -> None:
    op.drop_table("ticket_labels")
    op.drop_table("comments")
    op.drop_table("tickets")
    op.drop_table("people")
    op.drop_table("labels")
