"""What a Resource refuses when it is built, since requests would fail or be unsafe."""

from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel

from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.query import did_you_mean
from colonnade.resources import _scoping
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.routes._route_builder import Operation
from colonnade.writes import Hooks

OPERATIONS: frozenset[Operation] = frozenset(get_args(Operation))
"""All operations of a Resource, those of later releases included: prefer ``STANDARD``."""


def refuse_unset_columns(table_context: ResourceContext, hooks: Hooks) -> None:
    """Refuse required columns of new rows that neither a body, a hook nor a scope could set.

    Raises:
        ModelError: Nothing could set a required column.
    """
    unset = table_context.create.unset_columns
    is_scoped = _scoping.has_scope(table_context.db, table_context.shape.table)
    if not unset or is_scoped or hooks.at("before", "create"):
        return
    name = unset[0]
    raise ModelError(
        f"No request could create a {table_context.name}: {name} is required and has no default, "
        f"and {table_context.create.schema.__name__} does not have it. Set it in a hook, which "
        f'must be registered before the app includes the Resource (@tasks.before("create")), give '
        f"it a default, or leave the operations that create rows out of operations."
    )


def refuse_unknown_operations(names: Iterable[object]) -> None:
    """Refuse names that no operation has."""
    for name in names:
        if name not in OPERATIONS:
            known = ", ".join(get_args(Operation))
            raise ModelError(
                f"Unknown operation {name!r}. Use {known}.{did_you_mean(str(name), OPERATIONS)}"
            )


def refuse_orm_cascades(shape: Shape, operations: frozenset[Operation]) -> None:
    """Refuse cascades that only the ORM would apply: a Resource deletes in SQL."""
    if "delete" not in operations:
        return
    for relation in shape.relations.values():
        orm = relation.orm
        if not orm.cascade.delete or relation.kind in {"one", "many_to_many"}:
            continue
        target = Shape.of(relation.target)
        referring = {target.table.c[there].name for _, there in relation.pairs}
        for key in target.foreign_keys:
            if set(key.columns) == referring and (key.ondelete or "").upper() not in {
                "CASCADE",
                "SET NULL",
            }:
                columns = ", ".join(key.columns)
                raise ModelError(
                    f"{shape.model.__name__}.{relation.name} has cascade_delete, which only the "
                    f"ORM applies, and a Resource deletes in SQL. Let the database cascade: "
                    f'Field(..., ondelete="CASCADE") on {relation.target.__name__}.{columns}.'
                )


def refuse_protected_fields(shape: Shape, create: type[BaseModel], update: type[BaseModel]) -> None:
    """Refuse custom schemas that let requests write protected columns."""
    for schema, flags in ((create, ("readonly", "role")), (update, ("readonly", "role", "frozen"))):
        for column in shape.columns.values():
            if column.name not in schema.model_fields or not any(
                getattr(column, flag) for flag in flags
            ):
                continue
            why = "is maintained by the database" if column.readonly or column.role else "is frozen"
            if column.primary_key:
                why = (
                    "is the primary key, which an update cannot change" if schema is update else why
                )
            raise ModelError(f"{schema.__name__}.{column.name} {why}: leave it out of the schema.")
