"""articles

Revision: 0b19a45e2e62
After: nothing
Written: 2026-11-30 16:23
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0b19a45e2e62"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "articles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("body", sa.String(length=10000), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="articles_pkey"),
    )


def downgrade() -> None:
    op.drop_table("articles")
