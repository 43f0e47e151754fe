"""The graph of a schema: tables with their columns, and the kinds of their relations."""

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Table,
    UniqueConstraint,
)

from colonnade import Field, Relationship, SQLModel
from colonnade.studio.diagram import SchemaGraph


def relations_of(*models: type[Any]) -> list[tuple[str, str, str, str, str]]:
    return [
        (each.table, each.cardinality, each.label, each.target, each.target_cardinality)
        for each in SchemaGraph.of(models).relations
    ]


def define_project() -> type[Any]:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    return Project


def test_a_foreign_key_leads_from_many_rows_to_one() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int = Field(foreign_key="project.id")

    assert relations_of(define_project(), Task) == [
        ("task", "many", "project_id", "project", "one")
    ]


def test_a_nullable_foreign_key_leads_to_one_or_none() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")

    assert relations_of(define_project(), Task) == [
        ("task", "many", "project_id", "project", "zero_or_one")
    ]


def test_a_unique_foreign_key_leads_from_one_row() -> None:
    class Budget(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int = Field(foreign_key="project.id", unique=True)

    assert relations_of(define_project(), Budget) == [
        ("budget", "zero_or_one", "project_id", "project", "one")
    ]


def test_a_primary_key_that_is_a_foreign_key_leads_from_one_row() -> None:
    class Budget(SQLModel, table=True):
        project_id: int = Field(foreign_key="project.id", primary_key=True)

    assert relations_of(define_project(), Budget) == [
        ("budget", "zero_or_one", "project_id", "project", "one")
    ]


def test_a_table_may_refer_to_itself() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="task.id")

    assert relations_of(Task) == [("task", "many", "parent_id", "task", "zero_or_one")]


def test_a_foreign_key_of_several_columns_is_one_relation() -> None:
    class Line(SQLModel, table=True):
        order_id: int = Field(primary_key=True)
        number: int = Field(primary_key=True)

    class Return(SQLModel, table=True):
        __table_args__ = (
            ForeignKeyConstraint(["order_id", "number"], ["line.order_id", "line.number"]),
        )
        id: int | None = Field(default=None, primary_key=True)
        order_id: int
        number: int

    assert relations_of(Line, Return) == [("return", "many", "order_id, number", "line", "one")]


def test_a_link_table_without_other_columns_is_a_relation() -> None:
    class TaskLabel(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        label_id: int = Field(foreign_key="label.id", primary_key=True)

    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        labels: list[Label] = Relationship(link_model=TaskLabel)

    assert relations_of(Task, Label, TaskLabel) == [("label", "many", "tasklabel", "task", "many")]
    graph = SchemaGraph.of([Task, Label, TaskLabel])
    assert [table.name for table in graph.tables] == ["label", "task"]
    assert graph.relations[0].description == "label and task, linked by tasklabel"


def test_a_link_table_without_a_model_is_found_by_its_relation() -> None:
    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    link = Table(
        "tasklabel",
        SQLModel.metadata,
        Column("task_id", ForeignKey("task.id"), primary_key=True),
        Column("label_id", ForeignKey("label.id"), primary_key=True),
    )

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        labels: list[Label] = Relationship(sa_relationship_kwargs={"secondary": link})

    assert relations_of(Task, Label) == [("label", "many", "tasklabel", "task", "many")]


def test_a_link_table_with_other_columns_is_a_table() -> None:
    class Worker(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Assignment(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        worker_id: int = Field(foreign_key="worker.id", primary_key=True)
        role: str

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    assert relations_of(Task, Worker, Assignment) == [
        ("assignment", "many", "task_id", "task", "one"),
        ("assignment", "many", "worker_id", "worker", "one"),
    ]


def test_a_foreign_key_to_a_table_that_is_not_drawn_is_left_out() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int = Field(foreign_key="project.id")

    assert relations_of(Task) == []


def test_columns_have_their_kinds_and_keys() -> None:
    class Task(SQLModel, table=True):
        __table_args__ = (UniqueConstraint("title"),)
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=200)
        tags: list[str] = Field(default_factory=list)
        parent_id: int | None = Field(default=None, foreign_key="task.id")

    (table,) = SchemaGraph.of([Task]).tables
    assert [
        (each.name, each.type, each.primary_key, each.foreign_key, each.unique, each.nullable)
        for each in table.columns
    ] == [
        ("id", "integer", True, False, False, False),
        ("title", "text", False, False, True, False),
        ("tags", "json", False, False, False, False),
        ("parent_id", "integer", False, True, False, True),
    ]
