"""The running example of ``tests.resources``, with stored rows."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.resources.conftest import client, models, store

__all__ = ["client", "models", "store", "tasks"]


@pytest.fixture
def tasks(models: SimpleNamespace, store: Any) -> None:
    """Two projects; tasks 1 to 6, three with a project, some with more."""
    web, app = (
        models.Project(id=1, name="Web", slug="web"),
        models.Project(id=2, name="App", slug="app"),
    )
    ana, bot = models.Worker(id="@ana"), models.Worker(id="@bot", type="agent")
    urgent = models.Label(id=1, name="urgent")
    store(web, app, ana, bot, urgent)
    day = datetime(2026, 1, 1, tzinfo=UTC)
    store(
        models.Task(id=1, title="100% done", status="completed", progress=100, project_id=1),
        models.Task(id=2, title="Alpha", description="x_y", progress=10, project_id=1, due=day),
        models.Task(id=3, title="beta", description="", progress=10, project_id=2),
        models.Task(id=4, title="Gamma", status="in_progress", progress=50, parent_id=2),
        models.Task(id=5, title="delta_", description="XxY", progress=10, parent_id=4),
        models.Task(id=6, title="a,b", progress=0, due=day),
    )
    store(
        models.Assignment(task_id=1, worker_id="@ana"),
        models.Assignment(task_id=1, worker_id="@bot", role="reviewer"),
        models.Assignment(task_id=2, worker_id="@bot"),
        models.TaskLabel(task_id=1, label_id=1),
    )
