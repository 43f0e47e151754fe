"""An app of projects and tasks for property tests, and its rows as plain Python objects."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Literal, Optional

from fastapi import Header
from fastapi.testclient import TestClient
from hypothesis import strategies as st
from sqlalchemy import true

from colonnade import (
    STANDARD,
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
    col,
)
from tests.resources.sample_app import serving

Row = dict[str, Any]
Rows = dict[str, list[Row]]
User = Annotated[int, Header(alias="User")]

INCLUDE = [
    "project.region", "project.tasks", "parent.project", "subtasks.assignments",
    "assignments.worker", "labels.tasks", "subtasks.count", "labels.count", "assignments.count",
    "assignments.hours.sum", "assignments.hours.avg", "subtasks.cost.sum", "subtasks.size.sum",
    "labels.name.min", "labels.name.count_distinct", "subtasks.created_at.max",
]  # fmt: skip

RELATIONS = frozenset(
    ("project", "parent", "region", "worker", "subtasks", "assignments", "labels", "tasks")
)
SCOPED = frozenset(("region", "project", "task", "label", "tagging", "assignment"))


def define_models() -> SimpleNamespace:
    """Define the models anew."""

    class Region(SQLModel, table=True):
        id: int = Field(primary_key=True)
        name: str | None = None
        owner_id: int = 1

    class Project(SQLModel, table=True):
        id: int = Field(primary_key=True)
        slug: str | None = None
        owner_id: int = 1
        region_id: int | None = Field(default=None, foreign_key="region.id")
        region: Region | None = Relationship()
        tasks: list["Task"] = Relationship(back_populates="project")

    class Tagging(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        label_id: int = Field(foreign_key="label.id", primary_key=True)
        owner_id: int = 1

    class Label(SQLModel, table=True):
        id: int = Field(primary_key=True)
        name: str
        owner_id: int = 1
        tasks: list["Task"] = Relationship(back_populates="labels", link_model=Tagging)

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True)
        rate: int | None = None

    class Assignment(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        worker_id: str = Field(foreign_key="worker.id", primary_key=True)
        hours: Decimal | None = Field(default=None, max_digits=6, decimal_places=2)
        owner_id: int = 1
        worker: Worker | None = Relationship()

    class Task(SQLModel, table=True):
        id: int = Field(primary_key=True)
        status: Literal["open", "done"] = "open"
        is_urgent: bool = False
        title: str | None = None
        size: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
        cost: Decimal | None = Field(default=None, max_digits=8, decimal_places=3)
        score: float | None = None
        created_at: datetime | None = None
        day: date | None = None
        owner_id: int = 1
        project_id: int | None = Field(default=None, foreign_key="project.id")
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        project: Project | None = Relationship(back_populates="tasks")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent")
        assignments: list[Assignment] = Relationship()
        labels: list[Label] = Relationship(back_populates="tasks", link_model=Tagging)

    models = (Region, Project, Worker, Label, Task, Tagging, Assignment)
    return SimpleNamespace(**{str(model.__tablename__): model for model in models})


def by_mapping(user: User = 0) -> Any:
    """Scope by a mapping; user 0 sees every row."""
    return {"owner_id": user} if user else true()


def by_condition(model: Any) -> Callable[..., Any]:
    """Scope by a condition; user 0 sees every row."""

    def scope(user: User = 0) -> Any:
        return col(model.owner_id) == user if user else true()

    return scope


@dataclass
class Work:
    """The app, its database, and what is stored there."""

    db: Database
    client: TestClient
    models: SimpleNamespace
    rows: Rows = field(default_factory=dict)

    def store(self, rows: Rows) -> None:
        """Replace all rows; tasks refer only to tasks before them."""
        self.rows = rows
        tables = [(model.__table__, name) for name, model in vars(self.models).items()]
        with self.db.engine.begin() as connection:
            connection.execute(self.models.task.__table__.update().values(parent_id=None))
            for table, _ in reversed(tables):
                connection.execute(table.delete())
            for table, name in tables:
                for row in rows.get(name, []):
                    connection.execute(table.insert(), row)

    def get(self, path: str, query: dict[str, Any], user: int = 0) -> Any:
        """Send a request, which has to succeed."""
        response = self.client.get(path, params=query or None, headers={"User": str(user)})
        assert response.status_code == 200, (response.request.url, response.text)
        return response

    def pages(self, path: str, query: dict[str, Any], user: int = 0) -> list[Any]:
        """Return what all pages contain, after a walk back that sees the same."""
        response = self.get(path, query, user)
        forwards = response.json()
        while "next" in response.links:
            response = self.get(response.links["next"]["url"], {}, user)
            forwards += response.json()
        backwards = response.json()
        while "prev" in response.links:
            response = self.get(response.links["prev"]["url"], {}, user)
            backwards = response.json() + backwards
        assert backwards == forwards
        return list(forwards)

    def visible(self, user: int) -> "Visible":
        """The rows that a user sees."""
        return Visible(
            {
                name: [
                    row for row in rows if not user or name not in SCOPED or row["owner_id"] == user
                ]
                for name, rows in self.rows.items()
            }
        )


@contextmanager
def working(db: Database) -> Iterator[Work]:
    """Serve the app on an empty database."""
    models = define_models()
    db.create_all()
    resources = [
        Resource(models.region, db, scope=by_condition(models.region)),
        Resource(models.project, db, scope=by_mapping, include=["region", "tasks.count"]),
        Resource(models.label, db, scope=by_mapping),
        Resource(models.tagging, db, scope=by_condition(models.tagging)),
        Resource(models.assignment, db, scope=by_condition(models.assignment)),
        Resource(
            models.task,
            db,
            scope=by_mapping,
            include=INCLUDE,
            operations=STANDARD | {"aggregate"},
        ),
    ]
    with serving(*resources) as client:
        yield Work(db, client, models)


@dataclass
class Visible:
    """Rows, and the relations between them, in plain Python."""

    tables: Rows

    def related(self, table: str, row: Row, name: str) -> list[tuple[str, Row]]:
        """The rows that a relation leads to, with their table."""
        task_links = self.tables["tagging"]
        match table, name:
            case "project", "region":
                return self._by("region", "id", row["region_id"])
            case "project", "tasks":
                return self._by("task", "project_id", row["id"])
            case "task", "project":
                return self._by("project", "id", row["project_id"])
            case "task", "parent":
                return self._by("task", "id", row["parent_id"])
            case "task", "subtasks":
                return self._by("task", "parent_id", row["id"])
            case "task", "assignments":
                return self._by("assignment", "task_id", row["id"])
            case "assignment", "worker":
                return self._by("worker", "id", row["worker_id"])
            case "task", "labels":
                keys = [link["label_id"] for link in task_links if link["task_id"] == row["id"]]
                return [pair for key in keys for pair in self._by("label", "id", key)]
            case "label", "tasks":
                keys = [link["task_id"] for link in task_links if link["label_id"] == row["id"]]
                return [pair for key in keys for pair in self._by("task", "id", key)]
        raise LookupError((table, name))

    def _by(self, table: str, column: str, value: Any) -> list[tuple[str, Row]]:
        if value is None:
            return []
        return [(table, row) for row in self.tables[table] if row[column] == value]

    def value(self, table: str, row: Row, path: str) -> Any:
        """The value that a path to one row leads to; None if there is no such row."""
        *names, column = path.split(".")
        for name in names:
            targets = self.related(table, row, name)
            if not targets:
                return None
            ((table, row),) = targets
        return row[column]

    def reached(self, rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
        """The rows that relations lead to from tasks, each of them once."""
        pairs = [("task", row) for row in rows]
        for name in names:
            pairs = [pair for table, row in pairs for pair in self.related(table, row, name)]
        return list({id(row): row for _, row in pairs}.values())

    def aggregate(self, rows: Sequence[Row], path: str) -> Any:
        """What an aggregate computes of tasks."""
        *names, function = path.split(".")
        if function == "count" and (not names or names[-1] in RELATIONS):
            return len(self.reached(rows, names))
        *names, column = names
        values = [row[column] for row in self.reached(rows, names) if row[column] is not None]
        return computed(function, values, places=PLACES.get(column))


PLACES = {"hours": 2, "cost": 3}


def computed(function: str, values: list[Any], places: int | None) -> Any:
    """The result of a function over values."""
    if function == "count":
        return len(values)
    if function == "count_distinct":
        return len(set(values))
    if function == "sum":
        zero: Any = 0 if places is None else Decimal(0).scaleb(-places)
        return sum(values, zero)
    if not values:
        return None
    if function == "avg":
        if places is None:
            return float(sum(values)) / len(values)
        exact = Decimal(sum(values)) / len(values)
        return exact.quantize(Decimal(1).scaleb(-places - 4), ROUND_HALF_UP)
    return min(values) if function == "min" else max(values)


def as_json(value: Any) -> Any:
    """A value as responses have it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


class Sorted:
    """A value in the order of ``order_by``: None is greater than every value."""

    def __init__(self, value: Any, *, descending: bool) -> None:
        self.value = value
        self.descending = descending

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sorted) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # only compared

    def __lt__(self, other: "Sorted") -> bool:
        first, second = (other, self) if self.descending else (self, other)
        if first.value is None or second.value is None:
            return first.value is not None
        return bool(first.value < second.value)


def in_order(rows: list[Row], order: Sequence[str], ties: Sequence[str]) -> list[Row]:
    """Sort rows by ``-name`` and ``name``, then by ``ties`` in the last direction."""
    signs = [(name.removeprefix("-"), name.startswith("-")) for name in order]
    last = signs[-1][1] if signs else False
    signs += [(name, last) for name in ties if name not in [name for name, _ in signs]]
    return sorted(
        rows, key=lambda row: [Sorted(row[name], descending=down) for name, down in signs]
    )


owners = st.sampled_from([1, 1, 2])
names = st.none() | st.sampled_from(["a", "b", "c'", "%"])
hours = st.none() | st.decimals(Decimal("-99.99"), Decimal("9999.99"), places=2)


def _refer(rows: list[Row]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *(row["id"] for row in rows)])


@st.composite
def work_rows(draw: st.DrawFn, max_tasks: int = 8) -> Rows:
    """Rows of every table."""

    def numbered(count: int, **columns: st.SearchStrategy[Any]) -> list[Row]:
        number = draw(st.integers(0, count))
        return [
            {"id": key, **{name: draw(value) for name, value in columns.items()}}
            for key in range(1, number + 1)
        ]

    regions = numbered(2, name=names, owner_id=owners)
    projects = numbered(3, slug=names, owner_id=owners, region_id=_refer(regions))
    labels = numbered(3, name=st.sampled_from(["x", "y"]), owner_id=owners)
    workers: list[Row] = [
        {"id": "@ana", "rate": draw(st.none() | st.integers(1, 3))},
        {"id": "@bot", "rate": 2},
    ]
    tasks: list[Row] = []
    for key in range(1, draw(st.integers(0, max_tasks)) + 1):
        tasks.append(
            {
                "id": key,
                "status": draw(st.sampled_from(["open", "done"])),
                "is_urgent": draw(st.booleans()),
                "title": draw(names),
                "size": draw(st.none() | st.sampled_from([0, 1, -7, 2**63 - 1, -(2**63)])),
                "cost": draw(st.none() | st.sampled_from(COSTS)),
                "score": draw(st.none() | st.sampled_from([0.0, 0.25, -1.5, 1e15])),
                "created_at": draw(st.none() | st.sampled_from(TIMES)),
                "day": draw(st.none() | st.sampled_from([time.date() for time in TIMES])),
                "owner_id": draw(owners),
                "project_id": draw(_refer(projects)),
                "parent_id": draw(_refer(tasks)),
            }
        )
    keys = [task["id"] for task in tasks]
    linked = st.lists(
        st.tuples(st.sampled_from(keys), st.sampled_from([row["id"] for row in labels])),
        unique=True, max_size=8,
    ) if keys and labels else st.just([])  # fmt: skip
    assigned = st.lists(
        st.tuples(st.sampled_from(keys), st.sampled_from(["@ana", "@bot"])),
        unique=True, max_size=8,
    ) if keys else st.just([])  # fmt: skip
    return {
        "region": regions,
        "project": projects,
        "worker": workers,
        "label": labels,
        "task": tasks,
        "tagging": [
            {"task_id": task, "label_id": label, "owner_id": draw(owners)}
            for task, label in draw(linked)
        ],
        "assignment": [
            {"task_id": task, "worker_id": worker, "hours": draw(hours), "owner_id": draw(owners)}
            for task, worker in draw(assigned)
        ],
    }


COSTS = [Decimal(text) for text in ("0.001", "-0.001", "99999.999", "0.005", "12.345", "0.000")]
TIMES = [
    datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
]
