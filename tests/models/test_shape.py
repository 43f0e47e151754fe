"""``Shape``: the columns, keys and relations of a table."""

import pytest

from colonnade import (
    Shape,
    SQLModel,
)
from colonnade.errors import ModelError
from tests.models.task_tables import tables


def test_a_shape_has_the_columns() -> None:
    Task, Project, *_ = tables()
    shape = Shape.of(Task)
    assert Shape.of(Task) is shape
    assert shape.name == "task"
    columns = shape.columns
    assert {name: value.kind for name, value in columns.items()} == {
        "title": "text", "status": "literal", "percent": "integer", "id": "integer",
        "due": "datetime", "cost": "decimal", "weight": "float", "settings": "json",
        "token": "text", "slug": "text", "score": "integer", "source": "text",
        "project_id": "uuid", "parent_id": "integer", "version": "integer",
        "created_at": "datetime", "updated_at": "datetime",
    }  # fmt: skip
    assert dict(columns["percent"].bounds.items()) == {"ge": 0, "le": 100}
    assert dict(columns["cost"].bounds.items()) == {"max_digits": 8, "decimal_places": 2}
    assert columns["status"].choices == ("pending", "done")
    assert columns["due"].nullable
    assert columns["due"].is_aware
    assert columns["project_id"].foreign_key == ("project", "id")
    assert [name for name, value in columns.items() if value.secret] == ["token"]
    assert {name for name, value in columns.items() if value.readonly} == {
        "id", "score", "version", "created_at", "updated_at",
    }  # fmt: skip
    assert {name for name, value in columns.items() if value.frozen} == {"id", "slug"}
    assert [name for name, value in columns.items() if not value.has_default] == ["title"]
    assert shape.version is columns["version"]
    assert Shape.of(Project).columns["slug"].unique
    assert not Shape.of(Project).columns["id"].generated


def test_a_shape_has_the_keys() -> None:
    Task, _, Worker, Assignment, TaskLabel = tables()
    assert [column.name for column in Shape.of(Task).primary_key] == ["id"]
    assert Shape.of(Task).primary_key[0].generated
    assert [column.name for column in Shape.of(Assignment).primary_key] == ["task_id", "worker_id"]
    assert [column.name for column in Shape.of(Worker).primary_key] == ["id"]
    first, second = Shape.of(Assignment).foreign_keys
    assert (first.table, first.columns, first.target_columns) == ("task", ("task_id",), ("id",))
    assert (first.ondelete, second.ondelete) == ("CASCADE", None)
    assert Shape.of(Assignment).link_fields == ("role",)
    assert Shape.of(TaskLabel).link_fields == ()
    assert Shape.of(Task).link_fields is None


def test_a_shape_has_the_relations() -> None:
    Task, Project, Worker, Assignment, TaskLabel = tables()
    relations = Shape.of(Task).relations
    kinds = {
        name: (value.kind, value.is_list, value.self_referential)
        for name, value in relations.items()
    }
    assert kinds == {
        "project": ("one", False, False),
        "labels": ("many_to_many", True, False),
        "assignments": ("association", True, False),
        "parent": ("one", False, True),
        "subtasks": ("many", True, True),
    }
    assert relations["project"].target is Project
    assert relations["project"].nullable
    assert relations["project"].pairs == (("project_id", "id"),)
    assert relations["subtasks"].pairs == (("id", "parent_id"),)
    assert relations["subtasks"].back_populates == "parent"
    assert relations["labels"].link is not None
    assert (relations["labels"].link.model, relations["labels"].link.fields) == (TaskLabel, ())
    assert relations["assignments"].link is not None
    assert relations["assignments"].link.fields == ("role",)
    through = Shape.of(Worker).relations["tasks"]
    assert through.kind == "many_to_many"
    assert through.link is not None
    assert (through.link.model, through.link.fields) == (Assignment, ("role",))


def test_a_model_that_is_not_a_table_has_no_shape() -> None:
    class Plain(SQLModel):
        name: str

    with pytest.raises(ModelError, match=r"Plain is not a table.*table=True"):
        Shape.of(Plain)
