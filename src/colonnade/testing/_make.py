"""``make``: a row of random values that its table accepts."""

import difflib
import os
from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy.orm import RelationshipDirection

from colonnade.errors import FixtureError
from colonnade.models import ColumnShape, RelationShape, Shape, schemas

T = TypeVar("T")

DATABASE_IDS = frozenset(("memory", "sqlite", "postgresql"))
"""What the plugin adds to the name of a test that runs on several databases."""


def make(model: type[T], /, **values: Any) -> T:
    """A row of random values that its table accepts, not stored yet.

    Text keeps to its length and pattern, numbers to their bounds; what ``Literal`` and ``Enum``
    columns hold is one of theirs, what is unique is new. A row that must refer to another comes
    with one, by its relation; one that may refers to none. Keys, timestamps and versions that
    the database makes are left to it. The same test has the same values each time it runs, and on
    every database that it runs on.

    Args:
        model: The table.
        given: Values, and rows of relations, by name; the rest is made up.

    Returns:
        The row: ``session.add(row)`` stores it, and the rows that were made for it.

    Raises:
        TypeError: ``given`` has a name that the model has not.
        pydantic.ValidationError: A value in ``given`` breaks the table's rules.
        FixtureError: It needs a row of another table, to which it has no relation.
        ModelError: ``model`` is not a table.

    Example:
        ```python
        session.add(make(Task, status="pending"))
        ```
    """
    return _make(model, values, ())


def _make(model: type[T], values: dict[str, Any], within: tuple[type[Any], ...]) -> T:
    shape = Shape.of(model)
    _check(shape, values)
    from colonnade.testing._values import made_up, seed  # which has a second to import

    seed(_running_test())
    parents = {
        relation.name: _parent(shape, relation, within) for relation in _needed(shape, values)
    }
    referring = {name for key in shape.foreign_keys for name in _names(shape, key.columns)}
    wanted = [
        column
        for column in shape.columns.values()
        if column.name not in values and column.name not in referring and not _is_kept(column)
    ]
    row_values = {column.name: made_up(shape, column) for column in wanted}
    return model(**row_values, **parents, **values)


def _running_test() -> str:
    """The test that runs, without the parameter that says on which database."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" (")[0]
    name, _, parameters = test.removesuffix("]").partition("[")
    others = [part for part in parameters.split("-") if part not in DATABASE_IDS]
    return "-".join([name, *filter(None, others)])


def _check(shape: Shape, values: dict[str, Any]) -> None:
    known = [*shape.columns, *shape.relations]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise TypeError(f"{shape.model.__name__} has no {name!r}.{meant}")
    update = schemas(shape.model).update
    update.model_validate(
        {name: value for name, value in values.items() if name in update.model_fields}
    )


def _is_kept(column: ColumnShape) -> bool:
    """Whether a value is there by itself: made by the database, or a key with a default."""
    has_own = column.primary_key and column.has_default
    return column.generated or column.role is not None or has_own


def _needed(shape: Shape, values: dict[str, Any]) -> Iterable[RelationShape]:
    """The relations to rows that must be there, and are not given.

    Raises:
        FixtureError: There is no relation to such a row.
    """
    for key in shape.foreign_keys:
        names = _names(shape, key.columns)
        columns = [shape.columns[name] for name in names]
        if any(column.nullable for column in columns) or any(name in values for name in names):
            continue
        if all(column.has_default and not column.primary_key for column in columns):
            continue
        leading = [
            relation for relation in shape.relations.values() if _leads(relation, key.columns)
        ]
        if any(relation.name in values for relation in leading):
            continue
        if not leading:
            raise FixtureError(
                f"{shape.model.__name__} needs a row of {key.table}, to which it has no "
                f"relation: give {names[0]}=..., the key of a stored row."
            )
        yield leading[0]


def _leads(relation: RelationShape, columns: tuple[str, ...]) -> bool:
    if relation.orm.direction is not RelationshipDirection.MANYTOONE:
        return False
    return not relation.orm.viewonly and {c.name for c in relation.orm.local_columns} == set(
        columns
    )


def _names(shape: Shape, columns: tuple[str, ...]) -> list[str]:
    return [column.name for column in shape.columns.values() if column.column.name in columns]


def _parent(shape: Shape, relation: RelationShape, within: tuple[type[Any], ...]) -> Any:
    if relation.target in within or relation.target is shape.model:
        path = " -> ".join(model.__name__ for model in (*within, shape.model, relation.target))
        raise FixtureError(
            f"{path}: each needs the next, without an end. Give {relation.name}=... yourself."
        )
    return _make(relation.target, {}, (*within, shape.model))
