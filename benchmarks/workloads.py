"""The requests that are measured."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.databases import PROJECTS, TASKS

BATCH = json.dumps([{"title": f"New {n}", "priority": "high"} for n in range(1000)])
UNIQUE = "{unique}"
"""A placeholder in a body for a text that no other request has."""
PERCENT = "{percent}"
"""A placeholder in a body for a number that differs from that of the last request."""
BIG = 1_000_000
"""The number of rows of the large table."""


@dataclass(frozen=True)
class Workload:
    """A kind of request.

    Attributes:
        name: Its name in the tables.
        path: Its path. ``{row}`` cycles through the tasks, ``{id}`` is a new task for each
            request, and ``{cursor}`` is the cursor of page 10,000.
        others: The paths of contenders with another path; None for those without the feature.
        method: The HTTP method.
        body: The request body.
        rows: The number of tasks that the table must have.
        clients: The number of concurrent clients.
        duration: How many times longer than the others it is measured, as its requests take long.
        answers: Contenders whose response does not have the rows, and why; it is not compared.
    """

    name: str
    path: str
    others: Mapping[str, str | None] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""
    rows: int = TASKS
    clients: int = 16
    duration: int = 1
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def consumes(self) -> bool:
        """Whether each request needs a new task."""
        return "{id}" in self.path

    @property
    def varies(self) -> bool:
        """Whether the path differs between requests."""
        return self.consumes or "{row}" in self.path

    def path_of(self, contender: str) -> str | None:
        """The path for a contender; None if it does not have the feature."""
        return self.others.get(contender, self.path)


BY_HAND: dict[str, str | None] = dict.fromkeys(
    ("FastCRUD", "Advanced Alchemy", "Litestar", "Django Ninja", "Drizzle", "Prisma",
     "floor on FastAPI")
)  # fmt: skip
"""The contenders that a workload leaves out if it is only compared with SQL by hand."""
NESTED_WRITES = BY_HAND | {"floor": None}
"""The contenders that a nested write leaves out: only the guide is compared."""

LIST = Workload(
    "list of 100", "/tasks?limit=100", {"FastCRUD": "/tasks?limit=100&offset=0&sort=id"}
)
NESTED = Workload(
    "list of 100, with project and assignments.worker",
    "/tasks/nested?limit=100",
    {
        "Colonnade": "/tasks?limit=100&include=project,assignments.worker",
        "FastCRUD": None,
        "floor": None,
        "floor on FastAPI": None,
    },
)
FILTERED = Workload(
    "filtered and sorted page of 20",
    "/tasks/filtered?status=completed&limit=20",
    {
        "Colonnade": "/tasks?status=completed&order_by=-created_at&limit=20",
        "FastCRUD": "/tasks?status=completed&sort=-created_at,-id&limit=20&offset=0",
        "floor on FastAPI": None,
    },
)
COUNTED = Workload(
    "list of 100, with the number of assignments",
    "/tasks/counted?limit=100",
    {**BY_HAND, "Colonnade": "/tasks?limit=100&include=assignments.count"},
)
SORTED = Workload(
    "page of 20, sorted by project",
    "/tasks/sorted?limit=20",
    {**BY_HAND, "Colonnade": "/tasks?order_by=project.slug&limit=20"},
)
ROW = Workload("one row", "/tasks/{row}")
CREATE = Workload("create", "/tasks", method="POST", body='{"title": "New", "priority": "high"}')
PATCH = Workload(
    "patch",
    "/tasks/{row}",
    method="PATCH",
    body=json.dumps({"progress_percent": PERCENT}).replace(json.dumps(PERCENT), PERCENT),
    answers={"FastCRUD": "it answers null"},
)
DELETE = Workload(
    "delete",
    "/tasks/{id}",
    {"floor on FastAPI": None},
    method="DELETE",
    answers={"FastCRUD": "it answers with a message"},
)
BATCHED = Workload(
    "batch of 1,000, one client", "/tasks:batch", {"FastCRUD": None, "floor on FastAPI": None},
    method="POST", body=BATCH,
    clients=1,
)  # fmt: skip
GRAPH = Workload(
    "project with 100 tasks, created in one body",
    "/projects",
    {**NESTED_WRITES, "guide": "/projects/nested"},
    method="POST",
    body=json.dumps(
        {"name": "New", "slug": UNIQUE, "tasks": [{"title": f"T {n}"} for n in range(100)]}
    ),
)  # fmt: skip
GRAPH_UPDATE = Workload(
    "project with 100 tasks, all updated in one body, one client",
    "/projects/1",
    {**NESTED_WRITES, "guide": "/projects/1/nested"},
    method="PATCH",
    body=json.dumps({"tasks": {"update": [
        {"id": 1 + PROJECTS * n, "progress_percent": PERCENT} for n in range(TASKS // PROJECTS)
    ]}}).replace(json.dumps(PERCENT), PERCENT),
    clients=1,
)  # fmt: skip
PAGE_1 = Workload(
    "page 1 of 1,000,000 rows", LIST.path, {**LIST.others, "floor on FastAPI": None}, rows=BIG
)
PAGE_10000 = Workload(
    "page 10,000 of 1,000,000 rows",
    "/tasks?limit=100&offset=999900",
    {
        "Colonnade": "/tasks?limit=100&cursor={cursor}",
        "FastCRUD": "/tasks?limit=100&sort=id&offset=999900",
        "floor": "/tasks?limit=100&after=999900",
        "floor on FastAPI": None,
    },
    rows=BIG,
)

AGGREGATED = Workload(
    "1,000,000 rows by status, counted and averaged, one client",
    "/tasks/by-status",
    {**BY_HAND, "Colonnade": "/tasks:aggregate?group_by=status"
                             "&aggregate=count,progress_percent.avg"},
    rows=BIG, clients=1, duration=5,
)  # fmt: skip
BY_MONTH = Workload(
    "1,000,000 rows by status and month, counted and averaged, one client",
    "/tasks/by-month",
    {**BY_HAND, "Colonnade": "/tasks:aggregate?group_by=status,created_at.month"
                             "&aggregate=count,progress_percent.avg"},
    rows=BIG, clients=1, duration=5,
)  # fmt: skip

WORKLOADS = (
    LIST, NESTED, COUNTED, FILTERED, SORTED, ROW, GRAPH_UPDATE, CREATE, PATCH, DELETE, BATCHED,
    GRAPH, PAGE_1, PAGE_10000, AGGREGATED, BY_MONTH
)  # fmt: skip
"""In this order: all tasks of a project are updated before one of them is deleted."""
