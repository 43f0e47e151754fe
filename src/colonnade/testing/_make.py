"""``make``: builds a row with random valid values."""

import difflib
import os
from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy.orm import RelationshipDirection

from colonnade.errors import FixtureError
from colonnade.models import ColumnShape, RelationShape, Shape, schemas

T = TypeVar("T")

DATABASE_IDS = frozenset(("memory", "sqlite", "postgresql"))
"""The ids that the plugin gives to the runs of a test on several databases."""


def make(model: type[T], /, **values: Any) -> T:
    """Build a row with random valid values. It is not stored yet.

    Values respect lengths, patterns, bounds, ``Literal`` and ``Enum``; values of unique columns
    are not repeated in a test. A required foreign key gets a new parent row, through the
    relation; an optional one stays empty. Keys, timestamps and versions that the database
    generates are left to it. A test gets the same values on each run and on every database.

    Args:
        model: The model class of a table.
        values: Values of columns and rows of relations, by name. The others are random.

    Returns:
        The row. ``session.add(row)`` stores it and its new parent rows.

    Raises:
        TypeError: ``values`` has a name that the model does not have.
        pydantic.ValidationError: A value in ``values`` is invalid.
        FixtureError: The row needs a parent row, and the model has no relation to its table.
        ModelError: ``model`` is not a table.

    Examples:
        ```python
        from colonnade import Field, SQLModel
        from colonnade.testing import make


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(min_length=3, max_length=20)
            progress: int = Field(ge=0, le=100)


        task = make(Task, title="Write")
        print(task.title, 0 <= task.progress <= 100)  # Write True
        ```
    """
    return _make(model, values, ())


def _make(model: type[T], values: dict[str, Any], children: tuple[type[Any], ...]) -> T:
    """``make`` for a row and its parent rows.

    Args:
        model: The model class of a table.
        values: Values of columns and rows of relations, by name.
        children: The models of the rows that this row is a parent of, the outermost first.
    """
    shape = Shape.of(model)
    _check_values(shape, values)
    from colonnade.testing._values import random_value, seed  # importing it takes a second

    seed(_current_test_name())
    parents = {
        relation.name: _make_parent(shape, relation, children)
        for relation in _required_relations(shape, values)
    }
    foreign_keys = {name for key in shape.foreign_keys for name in _names(shape, key.columns)}
    random_values = {
        column.name: random_value(shape, column)
        for column in shape.columns.values()
        if not (column.name in values or column.name in foreign_keys or _is_generated(column))
    }
    return model(**random_values, **parents, **values)


def _current_test_name() -> str:
    """The name of the running test, without the id of its database."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" (")[0]
    name, _, parameters = test.removesuffix("]").partition("[")
    other_ids = [part for part in parameters.split("-") if part not in DATABASE_IDS]
    return "-".join([name, *filter(None, other_ids)])


def _check_values(shape: Shape, values: dict[str, Any]) -> None:
    known = [*shape.columns, *shape.relations]
    for name in values:
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {similar[0]}?" if similar else ""
            raise TypeError(f"{shape.model.__name__} has no column or relation {name!r}.{hint}")
    update = schemas(shape.model).update
    update.model_validate(
        {name: value for name, value in values.items() if name in update.model_fields}
    )


def _is_generated(column: ColumnShape) -> bool:
    """Whether the database generates the value, or a primary key has a default."""
    is_default_key = column.primary_key and column.has_default
    return column.generated or column.role is not None or is_default_key


def _required_relations(shape: Shape, values: dict[str, Any]) -> Iterable[RelationShape]:
    """The relations of required foreign keys that ``values`` does not set.

    Raises:
        FixtureError: A required foreign key has no relation.
    """
    for key in shape.foreign_keys:
        names = _names(shape, key.columns)
        columns = [shape.columns[name] for name in names]
        if any(column.nullable for column in columns) or any(name in values for name in names):
            continue
        if all(column.has_default and not column.primary_key for column in columns):
            continue
        relations = [
            relation for relation in shape.relations.values() if _uses_key(relation, key.columns)
        ]
        if any(relation.name in values for relation in relations):
            continue
        if not relations:
            raise FixtureError(
                f"{shape.model.__name__} needs a row of {key.table}, and has no relation to it. "
                f"Pass {names[0]}=..., the key of a stored row."
            )
        yield relations[0]


def _uses_key(relation: RelationShape, columns: tuple[str, ...]) -> bool:
    if relation.orm.direction is not RelationshipDirection.MANYTOONE:
        return False
    return not relation.orm.viewonly and {c.name for c in relation.orm.local_columns} == set(
        columns
    )


def _names(shape: Shape, columns: tuple[str, ...]) -> list[str]:
    return [column.name for column in shape.columns.values() if column.column.name in columns]


def _make_parent(shape: Shape, relation: RelationShape, children: tuple[type[Any], ...]) -> Any:
    if relation.target in children or relation.target is shape.model:
        path = " -> ".join(model.__name__ for model in (*children, shape.model, relation.target))
        raise FixtureError(
            f"Cannot make a {shape.model.__name__}: its required parent rows form a cycle, {path}. "
            f"Pass {relation.name}=..."
        )
    return _make(relation.target, {}, (*children, shape.model))
