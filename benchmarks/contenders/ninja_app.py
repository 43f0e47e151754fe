"""Django Ninja: sync operations as in its documentation, served through ASGI.

Under ASGI Django uses a thread for each request, so connections are kept by its pool on PostgreSQL
and opened again on SQLite. Its JSON encoder truncates datetimes to milliseconds; the renderer here
writes the same as the other contenders, and is faster.
"""

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings


def _database() -> dict[str, Any]:
    url = os.environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        name = url.removeprefix("sqlite:///")
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": {"init_command": pragmas, "transaction_mode": "IMMEDIATE"},
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username,
        "HOST": parse_qs(parts.query).get("host", [parts.hostname])[0],
        "PORT": parts.port or "",
        "OPTIONS": {"pool": {"min_size": 10, "max_size": 10}},
    }


settings.configure(
    DATABASES={"default": _database()},
    INSTALLED_APPS=["benchmarks.contenders"],
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    TIME_ZONE="UTC",
    MIDDLEWARE=[],
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.shortcuts import get_object_or_404  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from ninja import NinjaAPI, Schema  # noqa: E402
from ninja.renderers import BaseRenderer  # noqa: E402
from pydantic_core import to_json  # noqa: E402

from benchmarks.contenders.tables import TaskCreate, TaskUpdate  # noqa: E402


class Project(models.Model):
    name = models.TextField()
    slug = models.TextField()

    class Meta:
        managed = False
        db_table = "project"


class Worker(models.Model):
    id = models.TextField(primary_key=True)
    name = models.TextField()
    type = models.TextField()

    class Meta:
        managed = False
        db_table = "worker"


class Task(models.Model):
    title = models.TextField()
    description = models.TextField(null=True)
    status = models.TextField(default="pending")
    priority = models.TextField(default="medium")
    progress_percent = models.IntegerField(default=0)
    project = models.ForeignKey(Project, models.DO_NOTHING, null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        managed = False
        db_table = "task"


class TaskAssignment(models.Model):
    pk = models.CompositePrimaryKey("task_id", "worker_id")
    task = models.ForeignKey(Task, models.DO_NOTHING, related_name="assignments")
    worker = models.ForeignKey(Worker, models.DO_NOTHING)
    role = models.TextField(default="assignee")
    assigned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False
        db_table = "task_assignment"


class TaskOut(Schema):
    id: int
    title: str
    description: str | None
    status: str
    priority: str
    progress_percent: int
    project_id: int | None
    created_at: Any
    updated_at: Any


class ProjectOut(Schema):
    id: int
    name: str
    slug: str


class WorkerOut(Schema):
    id: str
    name: str
    type: str


class AssignmentOut(Schema):
    task_id: int
    worker_id: str
    role: str
    assigned_at: Any
    worker: WorkerOut


class NestedOut(TaskOut):
    project: ProjectOut | None
    assignments: list[AssignmentOut]


class Renderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: Any, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


api = NinjaAPI(renderer=Renderer())


@api.get("/tasks", response=list[TaskOut])
def list_tasks(request, offset: int = 0, limit: int = 100):
    return Task.objects.order_by("id")[offset : offset + limit]


@api.get("/tasks/nested", response=list[NestedOut])
def list_nested(request, limit: int = 100):
    queryset = Task.objects.select_related("project").prefetch_related("assignments__worker")
    return queryset.order_by("id")[:limit]


@api.get("/tasks/filtered", response=list[TaskOut])
def list_filtered(request, status: str, limit: int = 20):
    return Task.objects.filter(status=status).order_by("-created_at", "-id")[:limit]


@api.post("/tasks", response={201: TaskOut})
def create_task(request, task: TaskCreate):
    return 201, Task.objects.create(**task.model_dump())


@api.post("/tasks:batch", response={201: list[TaskOut]})
def create_tasks(request, body: list[TaskCreate]):
    return 201, Task.objects.bulk_create([Task(**task.model_dump()) for task in body])


@api.get("/tasks/{task_id}", response=TaskOut)
def get_task(request, task_id: int):
    return get_object_or_404(Task, id=task_id)


@api.patch("/tasks/{task_id}", response=TaskOut)
def update_task(request, task_id: int, change: TaskUpdate):
    task = get_object_or_404(Task, id=task_id)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(task, name, value)
    task.save()
    return task


@api.delete("/tasks/{task_id}")
def delete_task(request, task_id: int):
    get_object_or_404(Task, id=task_id).delete()
    return {"ok": True}


urlpatterns = [path("", api.urls)]
app = get_asgi_application()
