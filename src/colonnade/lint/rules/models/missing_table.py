"""The rule CLN101, missing-table."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.project._schemas import SCHEMA_WORDS

SCALARS = frozenset(
    {"int", "str", "float", "bool", "bytes", "datetime.datetime", "datetime.date",
     "datetime.time", "datetime.timedelta", "decimal.Decimal", "uuid.UUID"}
)  # fmt: skip


class MissingTable(Rule):
    """A model is used as a table, but has no `table=True`.

    Without it the class is only a schema: no table is created, `select()` raises, and its relations
    and primary keys have no effect. A model counts as used as a table if the project queries it or
    stores it in a session, if it has a `Relationship`, or if it defines a primary key and has no
    subclasses. Add `table=True`.
    """

    code = "CLN101"
    name = "missing-table"
    fixes = "safe"
    bad = """
from sqlmodel import Field, Session, SQLModel, select


class Task(SQLModel):  # CLN101
    id: int | None = Field(default=None, primary_key=True)
    title: str


def tasks(session: Session):
    return session.exec(select(Task)).all()
"""
    good = """
from sqlmodel import Field, Session, SQLModel, select


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


def tasks(session: Session):
    return session.exec(select(Task)).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        stored = {model.name: call for call, model in _stored_models(context)}
        for model in context.models:
            reason = _table_use(model) or ("is added to a session" if model.name in stored else "")
            if reason and _lacks_table(model):
                edits = context.editor.add_base_keyword(model.node, "table=True")
                fix = Fix("Add `table=True`", edits, safe=_is_mappable(model)) if edits else None
                message = f"`{model.class_name}` {reason}, but has no `table=True`"
                yield context.finding(
                    self.code, model.node, message, fix=fix, advice="Add `table=True`", whole=False
                )
        for call, model in _stored_models(context):
            if model.module is not context.module and _lacks_table(model):
                location = f"{model.module.path}, line {model.node.lineno}"
                message = (
                    f"`{model.class_name}` is used as a table here, but has no `table=True` "
                    f"({location})"
                )
                yield context.finding(
                    self.code, call, message, advice="Add `table=True` to its class"
                )


def _lacks_table(model: Model) -> bool:
    has_option = any(keyword.arg == "table" for keyword in model.node.keywords)
    return model.is_sqlmodel and not model.is_table and model.has_known_bases and not has_option


def _is_mappable(model: Model) -> bool:
    """Whether ``table=True`` would certainly make a model a table: its module must be imported."""
    fields = model.fields.values()
    return any(field.primary_key for field in fields) and all(
        (field.hint.name in SCALARS and not field.hint.collection)
        or not field.options.keys().isdisjoint({"sa_type", "sa_column"})
        for field in fields
    )


def _stored_models(context: Context) -> Iterator[tuple[ast.Call, Model]]:
    """Yield the calls that pass an instance of a project's model to a session, with the model."""
    for call in context.module.calls_named("add", "merge", "delete", "refresh"):
        inferred = (
            context.value(call.args[0])
            if call.args and context.session_of(call) is not None
            else None
        )
        if inferred is not None and inferred.kind is Kind.INSTANCE:
            model = context.project.model(inferred.name)
            if model is not None:
                yield call, model


def _table_use(model: Model) -> str:
    """How a class that is not a table is used as one; empty if it is not."""
    names = model.project.names
    if not model.is_sqlmodel or model.is_table:
        return ""
    if any(ancestor in names.tables for ancestor in model.ancestry):
        return ""  # a subclass of a table is its schema; selecting it is another mistake
    subclasses = names.subclasses.get(model.name, frozenset())
    if model.name in names.queried and not subclasses:
        return "is queried"
    declares_relations = any(name in model.declared for name in model.relations)
    # The tables that inherit from one of Colonnade's models have its relations.
    is_base = not model.is_stock_sqlmodel and not subclasses.isdisjoint(names.tables)
    if declares_relations and not is_base:
        return "has relations"
    declared = [member for member in model.declared.values() if isinstance(member, ModelField)]
    if (
        not subclasses
        and any(field.primary_key for field in declared)
        and not SCHEMA_WORDS.search(model.class_name)
    ):
        return "has a primary key"
    return ""
