"""first

Revision: a9b7af9fe8b1
After: nothing
Written: 2026-11-26 12:34
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "a9b7af9fe8b1"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.CheckConstraint("length(name) <= 40", name="ck_label_name_max_length"),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
        sa.UniqueConstraint("name", name="uq_label_name"),
    )
    op.create_table(
        "project",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(name) <= 200", name="ck_project_name_max_length"),
        sa.CheckConstraint("length(name) >= 1", name="ck_project_name_min_length"),
        sa.CheckConstraint("length(slug) <= 80", name="ck_project_slug_max_length"),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("slug", name="uq_project_slug"),
    )
    op.create_index("ix_project_name", "project", ["name"])
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.CheckConstraint("type IN ('human', 'agent')", name="ck_worker_type_values"),
        sa.CheckConstraint("length(id) <= 60", name="ck_worker_id_max_length"),
        sa.CheckConstraint("length(name) <= 200", name="ck_worker_name_max_length"),
        sa.CheckConstraint("length(name) >= 1", name="ck_worker_name_min_length"),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )
    op.create_table(
        "task",
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("progress_percent", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "priority IN ('low', 'medium', 'high')", name="ck_task_priority_values"
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed', 'cancelled')",
            name="ck_task_status_values",
        ),
        sa.CheckConstraint("length(title) <= 200", name="ck_task_title_max_length"),
        sa.CheckConstraint("length(title) >= 1", name="ck_task_title_min_length"),
        sa.CheckConstraint(
            "progress_percent <= 100", name="ck_task_progress_percent_le"
        ),
        sa.CheckConstraint("progress_percent >= 0", name="ck_task_progress_percent_ge"),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["task.id"],
            name="fk_task_parent_id_task",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
            name="fk_task_project_id_project",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
    )
    op.create_index("ix_task_parent_id", "task", ["parent_id"])
    op.create_index("ix_task_project_id", "task", ["project_id"])
    op.create_index("ix_task_status", "task", ["status"])
    op.create_index("ix_task_title", "task", ["title"])
    op.create_table(
        "taskassignment",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role IN ('assignee', 'reviewer', 'observer')",
            name="ck_taskassignment_role_values",
        ),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name="fk_taskassignment_task_id_task",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["worker.id"],
            name="fk_taskassignment_worker_id_worker",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "worker_id", name="pk_taskassignment"),
    )
    op.create_index("ix_taskassignment_worker_id", "taskassignment", ["worker_id"])
    op.create_table(
        "tasklabel",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label_id"],
            ["label.id"],
            name="fk_tasklabel_label_id_label",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
            name="fk_tasklabel_task_id_task",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "label_id", name="pk_tasklabel"),
    )
    op.create_index("ix_tasklabel_label_id", "tasklabel", ["label_id"])


def downgrade() -> None:
    op.drop_table("tasklabel")
    op.drop_table("taskassignment")
    op.drop_table("task")
    op.drop_table("worker")
    op.drop_table("project")
    op.drop_table("label")
