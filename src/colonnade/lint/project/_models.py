"""The models of a project: tables and schemas, their fields and their relations."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import NameResolver, TypeHint, parse_expression, read_annotation
from colonnade.lint.project._modules import Module
from colonnade.lint.project._names import Names

COLUMN_CALLS = frozenset({lib.COLUMN, lib.MAPPED_COLUMN})
LAZY = frozenset({"select", True})  # loaded on first access, which is the default


@dataclass(frozen=True)
class ModelField:
    """A field or column of a model.

    Attributes:
        name: The field's name.
        node: The statement that declares it.
        owner: The class that declares it, which may be a base.
        hint: The type hint.
        call: ``Field(...)``, ``Column(...)`` or ``mapped_column(...)``, if any.
        default: The default, if it is not such a call.
        options: The keyword arguments of the call.
    """

    name: str
    node: ast.AnnAssign | ast.Assign
    owner: "Model"
    hint: TypeHint
    call: ast.Call | None = None
    default: ast.expr | None = None
    options: dict[str, ast.expr] = field(default_factory=dict)

    def option(self, name: str) -> object:
        """The constant value of a keyword argument; None if it is absent or not a constant."""
        value = self.options.get(name)
        if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            inner = value.operand
            number = inner.value if isinstance(inner, ast.Constant) else None
            return -number if isinstance(number, int | float) else None
        return value.value if isinstance(value, ast.Constant) else None

    @property
    def primary_key(self) -> bool:
        """Whether the field is part of the primary key."""
        return self.option("primary_key") is True

    @property
    def unique(self) -> bool:
        """Whether the column is declared unique, or is part of the primary key."""
        options = {keyword.arg for call in self.column_calls() for keyword in call.keywords}
        return self.primary_key or "unique" in self.options or "unique" in options

    @property
    def foreign_key(self) -> str | None:
        """The referenced column as ``table.column``, or None."""
        foreign_key = self.option("foreign_key")
        if isinstance(foreign_key, str):
            return foreign_key
        for call in self.column_calls():
            for argument in call.args:
                if isinstance(argument, ast.Call) and self.owner.resolve(argument.func) == (
                    lib.FOREIGN_KEY
                ):
                    first = argument.args[0] if argument.args else None
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        return first.value
        return None

    @property
    def nullable(self) -> bool:
        """Whether the column accepts NULL."""
        nullable = self.option("nullable")
        if isinstance(nullable, bool):
            return nullable
        for call in self.column_calls():
            for keyword in call.keywords:
                if keyword.arg == "nullable" and isinstance(keyword.value, ast.Constant):
                    return bool(keyword.value.value)
        return self.hint.optional and not self.primary_key

    def column_calls(self) -> Iterator[ast.Call]:
        """The ``Column(...)`` calls of the field: the call itself and ``sa_column=``."""
        if self.call is not None and self.owner.resolve(self.call.func) in COLUMN_CALLS:
            yield self.call
        column = self.options.get("sa_column")
        if isinstance(column, ast.Call):
            yield column

    def type_expressions(self) -> Iterator[ast.expr]:
        """The expressions that may set the SQLAlchemy type: ``sa_type=`` and column arguments."""
        if "sa_type" in self.options:
            yield self.options["sa_type"]
        for call in self.column_calls():
            yield from call.args
            yield from (keyword.value for keyword in call.keywords if keyword.arg == "type_")


@dataclass(frozen=True)
class Relation:
    """A relation of a table.

    Attributes:
        name: The attribute's name.
        node: The statement that declares it.
        call: ``Relationship(...)`` or ``relationship(...)``.
        owner: The class that declares it.
        target: The qualified name of the related class; empty if it cannot be resolved.
        uselist: Whether the relation is a list.
        back_populates: The attribute that it names on the other side.
        lazy: The loading strategy.
        options: The keyword arguments, including those in ``sa_relationship_kwargs``.
        has_unreadable_options: Whether some options are not literals.
    """

    name: str
    node: ast.AnnAssign | ast.Assign
    call: ast.Call
    owner: "Model"
    target: str
    uselist: bool
    back_populates: str | None
    lazy: object
    options: dict[str, ast.expr]
    has_unreadable_options: bool

    @property
    def is_lazy(self) -> bool:
        """Whether the relation is loaded on first access."""
        return self.lazy in LAZY and not self.has_unreadable_options


class ModelProject(Protocol):
    """The part of a project that models use."""

    @property
    def names(self) -> Names:
        """The names defined in the project."""
        ...

    def model(self, name: str) -> "Model | None":
        """The model with a qualified name, or None."""
        ...

    def ancestry(self, name: str) -> frozenset[str]:
        """The qualified names of all classes that a class inherits from."""
        ...

    def resolve_class_name(self, class_name: str, near: str) -> str:
        """The qualified name of the model with a class name, else the class name."""
        ...


class ModelScope(NameResolver, Protocol):
    """The module that defines a model, with the resolution of its names."""

    @property
    def module(self) -> Module:
        """The module."""
        ...

    @property
    def project(self) -> ModelProject:
        """The project that the module belongs to."""
        ...


class Model:
    """A class that is a table or a schema.

    Attributes:
        name: The class's qualified name.
        node: The class statement.
        scope: The module that defines it, with the resolution of its names.
    """

    def __init__(self, name: str, node: ast.ClassDef, scope: ModelScope) -> None:
        self.name = name
        self.node = node
        self.scope = scope

    def __repr__(self) -> str:
        return f"Model({self.name})"

    @property
    def class_name(self) -> str:
        """The unqualified name of the class."""
        return self.node.name

    @property
    def module(self) -> Module:
        """The module that defines the class."""
        return self.scope.module

    @property
    def project(self) -> ModelProject:
        """The project that the class belongs to."""
        return self.scope.project

    def resolve(self, node: ast.expr) -> str:
        """The qualified name that an expression in the class's module refers to."""
        return self.scope.resolve(node)

    @cached_property
    def bases(self) -> list["Model"]:
        """The direct bases that are models of the project."""
        nodes = (
            base.value if isinstance(base, ast.Subscript) else base for base in self.node.bases
        )
        bases = (self.project.model(self.resolve(node)) for node in nodes)
        return [base for base in bases if base is not None and base is not self]

    @cached_property
    def ancestry(self) -> frozenset[str]:
        """The qualified names of all ancestors."""
        return self.project.ancestry(self.name)

    @property
    def is_sqlmodel(self) -> bool:
        """Whether it inherits from SQLModel, sqlmodel's or Colonnade's."""
        return not self.ancestry.isdisjoint({lib.SQLMODEL, lib.COLONNADE_MODEL})

    @property
    def is_stock_sqlmodel(self) -> bool:
        """Whether it inherits from sqlmodel's SQLModel and nothing of Colonnade."""
        return lib.SQLMODEL in self.ancestry and not any(
            name.startswith("colonnade.") for name in self.ancestry
        )

    @property
    def is_declarative(self) -> bool:
        """Whether it inherits from SQLAlchemy's declarative base."""
        return lib.DECLARATIVE in self.ancestry

    @cached_property
    def is_table(self) -> bool:
        """Whether the class is mapped to a table."""
        if self.is_sqlmodel:
            return self.name in self.project.names.tables
        return self.is_declarative and self.declares_table

    @cached_property
    def declares_table(self) -> bool:
        """Whether a declarative class or a base of it names its table."""
        named = any(
            isinstance(target, ast.Name) and target.id in ("__tablename__", "__table__")
            for statement in self.node.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
        )
        abstract = any(
            isinstance(statement, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == "__abstract__" for t in statement.targets)
            for statement in self.node.body
        )
        return named or (not abstract and any(base.declares_table for base in self.bases))

    @property
    def is_schema(self) -> bool:
        """Whether the class is a Pydantic model without a table."""
        return not self.is_table and (self.is_sqlmodel or lib.PYDANTIC_MODEL in self.ancestry)

    @property
    def tablename(self) -> str:
        """The name of the table; empty if it is unknown."""
        for statement in self.node.body:
            target = value = None
            if isinstance(statement, ast.Assign):
                target, value = statement.targets[0], statement.value
            elif isinstance(statement, ast.AnnAssign):
                target, value = statement.target, statement.value
            if isinstance(target, ast.Name) and target.id == "__tablename__":
                if isinstance(value, ast.Constant):
                    return str(value.value)
                return ""
        return self.node.name.lower() if self.is_sqlmodel else ""

    @cached_property
    def declared(self) -> dict[str, ModelField | Relation]:
        """The fields and relations that the class statement itself declares."""
        members: dict[str, ModelField | Relation] = {}
        for statement in self.node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                member = self._annotated(statement.target.id, statement)
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                member = self._assigned(statement.targets[0].id, statement)
            else:
                continue
            if member is not None:
                members[member.name] = member
        return members

    @cached_property
    def members(self) -> dict[str, ModelField | Relation]:
        """All fields and relations, including inherited ones."""
        members: dict[str, ModelField | Relation] = {}
        for base in reversed(self.bases):
            members.update(base.members)
        members.update(self.declared)
        return members

    @cached_property
    def fields(self) -> dict[str, ModelField]:
        """All fields, including inherited ones."""
        return {
            name: member for name, member in self.members.items() if isinstance(member, ModelField)
        }

    @cached_property
    def relations(self) -> dict[str, Relation]:
        """All relations, including inherited ones."""
        return {
            name: member for name, member in self.members.items() if isinstance(member, Relation)
        }

    def defines(self, name: str) -> bool:
        """Whether the class or a base defines a name, for example as a ``declared_attr``."""
        in_body = any(getattr(statement, "name", None) == name for statement in self.node.body)
        return in_body or name in self._added or any(base.defines(name) for base in self.bases)

    @cached_property
    def _added(self) -> frozenset[str]:
        """The attributes assigned after the class: ``Card.articles = relationship(...)``."""
        return frozenset(
            target.attr
            for statement in self.module.tree.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Attribute)
            and isinstance(target.value, ast.Name)
            and target.value.id == self.node.name
        )

    @cached_property
    def has_known_bases(self) -> bool:
        """Whether all ancestors are known, so that a missing attribute is really missing."""
        known = {lib.SQLMODEL, lib.COLONNADE_MODEL, lib.PYDANTIC_MODEL, lib.DECLARATIVE}
        return all(
            name in known
            or name in self.project.names.bases
            or name.partition(".")[0] in ("typing", "abc", "builtins", "enum")
            for name in self.ancestry
        )

    def _annotated(self, name: str, node: ast.AnnAssign) -> ModelField | Relation | None:
        if name.startswith("__") or name == "model_config":
            return None
        if name.startswith("_") and not self.is_declarative:
            return None  # a private attribute of Pydantic, not a field
        hint = read_annotation(node.annotation, self.scope)
        if hint.classvar:
            return None
        value = node.value
        if isinstance(value, ast.Call):
            called = self.resolve(value.func)
            if called == lib.RELATIONSHIP or called in lib.ORM_RELATIONSHIPS:
                return self._relation(name, node, value, hint)
            if called in COLUMN_CALLS or called.endswith(".Field") or called == "Field":
                return ModelField(name, node, self, hint, value, None, _keywords(value))
        for item in hint.metadata:
            if isinstance(item, ast.Call) and self.resolve(item.func).endswith("Field"):
                return ModelField(name, node, self, hint, item, value, _keywords(item))
        return ModelField(name, node, self, hint, None, value)

    def _assigned(self, name: str, node: ast.Assign) -> ModelField | Relation | None:
        value = node.value
        if not isinstance(value, ast.Call) or name.startswith("__"):
            return None
        called = self.resolve(value.func)
        if called in lib.ORM_RELATIONSHIPS:
            return self._relation(name, node, value, TypeHint())
        if called in COLUMN_CALLS:
            options = _keywords(value)
            optional = not any(
                keyword.arg == "nullable"
                and isinstance(keyword.value, ast.Constant)
                and keyword.value.value is False
                for keyword in value.keywords
            )
            return ModelField(name, node, self, TypeHint(optional=optional), value, None, options)
        return None

    def _relation(
        self, name: str, node: ast.AnnAssign | ast.Assign, call: ast.Call, hint: TypeHint
    ) -> Relation:
        options = _keywords(call)
        has_unreadable_options = any(keyword.arg is None for keyword in call.keywords)
        extra = options.get("sa_relationship_kwargs")
        if isinstance(extra, ast.Dict):
            for key, value in zip(extra.keys, extra.values, strict=True):
                if isinstance(key, ast.Constant):
                    options.setdefault(str(key.value), value)
                else:
                    has_unreadable_options = True
        elif isinstance(extra, ast.Call) and self.resolve(extra.func) == "dict":
            options = {**_keywords(extra), **options}
        elif extra is not None:
            has_unreadable_options = True
        if "sa_relationship" in options:
            inner = options["sa_relationship"]
            has_unreadable_options = has_unreadable_options or not isinstance(inner, ast.Call)
            if isinstance(inner, ast.Call):
                options = {**_keywords(inner), **options}
                call = call if hint.name else inner
        target = hint.name or self._target(call)
        uselist = bool(hint.collection)
        lazy = options.get("lazy")
        back = options.get("back_populates")
        return Relation(
            name, node, call, self, target, uselist,
            back.value if isinstance(back, ast.Constant) and isinstance(back.value, str) else None,
            lazy.value if isinstance(lazy, ast.Constant) else ("select" if lazy is None else "?"),
            options,
            has_unreadable_options or not (back is None or isinstance(back, ast.Constant)),
        )  # fmt: skip

    def _target(self, call: ast.Call) -> str:
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            first = parse_expression(first.value)
        return self.resolve(first) if isinstance(first, ast.Name | ast.Attribute) else ""


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
