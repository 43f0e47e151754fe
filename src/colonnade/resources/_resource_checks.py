"""What a Resource refuses when it is built, since requests would fail or be unsafe."""

from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel

from colonnade.errors import ModelError
from colonnade.models import ColumnShape, Shape
from colonnade.query import QueryableTable, did_you_mean
from colonnade.resources import _scoping
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.routes._route_builder import Operation
from colonnade.rows import Refusal, read_refusal, write_refusal
from colonnade.writes import Hooks

OPERATIONS: frozenset[Operation] = frozenset(get_args(Operation))
"""All operations of a Resource, those of later releases included: prefer ``STANDARD``."""


def refuse_unset_columns(table_context: ResourceContext, hooks: Hooks) -> None:
    """Refuse required columns of new rows that neither a body, a hook nor a scope could set.

    Raises:
        ModelError: Nothing could set a required column.
    """
    outer = table_context.outer_columns
    unset = [name for name in table_context.create.unset_columns if name not in outer]
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


def refuse_unserved_columns(
    table_context: ResourceContext,
    operations: frozenset[Operation],
    create: type[BaseModel],
    update: type[BaseModel],
) -> None:
    """Refuse columns of PostgreSQL types that requests could not read or write.

    Raises:
        ModelError: A column cannot be read or written.
    """
    _refuse_unreadable_columns(table_context.queryable)
    for schema, writes in ((create, {"create", "replace"}), (update, {"update"})):
        if not operations & {*writes, "batch", "upsert"}:
            continue
        for column in table_context.shape.columns.values():
            refusal = write_refusal(column)
            if column.name in schema.model_fields and refusal is not None:
                fixes = "make the field readonly with Field(readonly=True)"
                raise _unserved_column(schema, column, "written", refusal, fixes)


def _refuse_unreadable_columns(queryable: QueryableTable) -> None:
    for column in queryable.columns.values():
        refusal = read_refusal(column)
        if refusal is not None:
            raise _unserved_column(queryable.read, column, "read", refusal, "give it secret=True")
    for target in queryable.relations.values():
        _refuse_unreadable_columns(target.queryable)


def _unserved_column(
    schema: type[BaseModel], column: ColumnShape, done: str, refusal: Refusal, alternative: str
) -> ModelError:
    kind = type(column.column.type).__name__
    fixes = [
        *([] if refusal.fix is None else [refusal.fix]),
        alternative,
        f"leave it out of {schema.__name__}",
        "convert its values with a TypeDecorator",
    ]
    advice = f"{', '.join(fixes)}, or serve it from a hand-written endpoint"
    return ModelError(
        f"{schema.__name__}.{column.name} cannot be {done} by requests: it is a column of type "
        f"{kind}, and {refusal.why}. {advice[0].upper()}{advice[1:]}."
    )
