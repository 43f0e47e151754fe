"""The models of nested bodies, for the OpenAPI document alone: ``ProjectTasksCreate``.

A relation has its models once, however many bodies have it, so that a tree is a component that
refers to itself. An object that stands beside an array has a required verb: TypeScript assigns an
array to an object without required properties, and would not notice a wrong row in it.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, ClassVar, Literal

from pydantic import MISSING, BaseModel, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from colonnade._owner_caches import cached_by_owner
from colonnade.models import ColumnShape
from colonnade.resources.openapi._bodies import key_field
from colonnade.resources.openapi._named_values import component_name
from colonnade.resources.writes._resource_tables import resource_table
from colonnade.writes import MAX_DEPTH, Kind, NestedRelation, Verb, WritableTable, allowed_verbs

_Fields = dict[str, Any]

_DESCRIPTIONS: dict[Verb, str] = {
    "create": "Rows to create",
    "connect": "Existing rows to connect, by their keys",
    "disconnect": "Connected rows to disconnect, by their keys",
    "set": "The rows that alone are connected afterwards, by their keys",
    "update": "Connected rows to update, with their keys",
    "upsert": "Rows to update if they exist, and to create if they do not",
    "delete": "Connected rows to delete, by their keys",
}
_DESCRIPTIONS_OF_ONE: dict[Verb, str] = {
    "create": "The row to create",
    "connect": "The existing row to connect, by its key",
    "disconnect": "Disconnect the row",
    "update": "Changes of the connected row",
    "upsert": "The row to update if one is connected, and to create if not",
    "delete": "Delete the connected row",
}

_BY_KEY: frozenset[Verb] = frozenset({"connect", "disconnect", "set", "delete"})
"""The verbs that name rows by their keys, each once."""


class _Verbs(BaseModel):
    """An object with the verbs of a relation."""

    model_config = {"extra": "forbid"}
    documents: ClassVar[tuple[NestedRelation, Kind]]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Leave out the verbs for which a user endpoint has replaced the operation since."""
        schema = handler(core_schema)
        relation, kind = cls.documents
        allowed = allowed_verbs(relation, kind, lambda table: table.operations)
        whole = handler.resolve_ref_schema(schema)
        properties = whole.get("properties", {})
        whole["properties"] = {name: properties[name] for name in allowed if name in properties}
        return schema


@cached_by_owner
def _models_of(owner: WritableTable | NestedRelation) -> dict[str, type[BaseModel]]:
    """The models of a table or relation, by their suffix."""
    return {}


def body_model(table: WritableTable, kind: Kind) -> type[BaseModel]:
    """Return the model of a body with all relations that it may have.

    Args:
        table: The table of the Resource.
        kind: Whether the body creates or updates a row.
    """
    return _Models().complete(table, f"{kind.capitalize()}WithRelations")


def related_model(relation: NestedRelation) -> type[BaseModel]:
    """Return the model of a row that is created in a relation."""
    return _Models().complete(relation, "Create")


class _Models:
    """Makes models that refer to each other by name, and then completes them."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {"Literal": Literal}
        self._incomplete: list[type[BaseModel]] = []

    def complete(self, owner: WritableTable | NestedRelation, suffix: str) -> type[BaseModel]:
        """Return a model whose references are resolved."""
        name = self._name(owner, suffix)
        for model in self._incomplete:
            model.model_rebuild(_types_namespace=self._named)
        completed: type[BaseModel] = self._named[name]
        return completed

    def _name(self, owner: WritableTable | NestedRelation, suffix: str) -> str:
        """The name by which annotations refer to a model, which is made if necessary."""
        name = f"{_component(owner)}{suffix}_{id(owner)}"
        if name in self._named:
            return name
        known = _models_of(owner)
        if suffix in known:
            self._named[name] = known[suffix]
            return name
        self._named[name] = None  # a tree refers to the model that is being made
        model = self._make(owner, suffix)
        self._named[name] = known[suffix] = model
        if not model.__pydantic_complete__:
            self._incomplete.append(model)
        return name

    def _make(self, owner: WritableTable | NestedRelation, suffix: str) -> type[BaseModel]:
        if isinstance(owner, WritableTable):
            kind: Kind = "create" if suffix.startswith("Create") else "update"
            schema = getattr(owner.table_context, kind).schema
            doc = f"{schema.__doc__ or ''} Relations can be nested {MAX_DEPTH} levels deep."
            name, omitted = f"{_component(owner)}{suffix}", owner.table_context.outer_columns
            return self._row(owner, kind, name, doc.strip(), omitted)
        if suffix == "Create":
            return self._created(owner)
        if suffix == "Update":
            return self._updated(owner)
        if suffix == "Upsert":
            return self._upserted(owner)
        if suffix == "Key":
            return self._key(owner)
        return self._verbs(owner, suffix)

    # Rows

    def _row(
        self,
        table: WritableTable,
        kind: Kind,
        name: str,
        doc: str | None,
        omitted: frozenset[str] = frozenset(),
        extra: Mapping[str, Any] | None = None,
    ) -> type[BaseModel]:
        """A body of a row, with its relations."""
        schema: type[BaseModel] = getattr(table.table_context, kind).schema
        fields: _Fields = dict(extra or {})
        by_relation = _set_by_relations(table) if kind == "create" else frozenset()
        for field_name, field in schema.model_fields.items():
            if field_name in omitted or field_name in fields:
                continue
            if field_name in by_relation and field.is_required():
                field = copy(field)  # noqa: PLW2901 - the field of the model itself stays required
                field.default = MISSING
            fields[field_name] = (field.annotation, field)
        for relation in table.relations.values():
            if relation.side != "parent" or not relation.fields & omitted:
                fields |= self._relation(relation, kind)
        return create_model(
            name, __config__=schema.model_config, __doc__=doc, __module__=schema.__module__,
            **fields,
        )  # fmt: skip

    def _created(self, relation: NestedRelation) -> type[BaseModel]:
        target = relation.target
        if not relation.omitted and not target.relations:
            schema: type[BaseModel] = target.table_context.create.schema
            return schema
        doc = f"{_a_row(relation)}, to create."
        return self._row(target, "create", f"{_component(relation)}Create", doc, relation.omitted)

    def _updated(self, relation: NestedRelation) -> type[BaseModel]:
        target = relation.target
        extra: _Fields = {}
        if relation.relation.is_list:
            extra = {name: key_field(column) for name, column in _key(relation)}
            extra |= _expected_version(relation)
        elif not relation.omitted and not target.relations:
            schema: type[BaseModel] = target.table_context.update.schema
            return schema
        doc = f"The changes of {_a_row(relation, capital=False)}."
        return self._row(
            target, "update", f"{_component(relation)}Update", doc, relation.omitted, extra
        )

    def _upserted(self, relation: NestedRelation) -> type[BaseModel]:
        """A complete row with its key, and the version that it may have if it exists."""
        name, doc = f"{_component(relation)}Upsert", f"{_a_row(relation)}, which may exist."
        extra = _expected_version(relation)
        return self._row(relation.target, "create", name, doc, relation.omitted, extra)

    def _key(self, relation: NestedRelation) -> type[BaseModel]:
        fields: _Fields = {name: key_field(column) for name, column in _key(relation)}
        return create_model(
            f"{_component(relation)}Key",
            __config__={"extra": "forbid"},
            __doc__=f"The key of {_a_row(relation, capital=False)}.",
            **fields,
        )

    # Relations

    def _relation(self, relation: NestedRelation, kind: Kind) -> _Fields:
        """The field of a relation in a body; none if the Resources allow no verb."""
        verbs = enabled_verbs(relation, kind)
        if not verbs:
            return {}
        is_list = relation.relation.is_list
        forms = []
        if kind == "update":
            forms.append(self._name(relation, "Changes"))
        if kind == "create" and "create" in verbs:
            created = self._name(relation, "Create")
            forms += [f"list[{created}]" if is_list else created]
            forms += [self._name(relation, "ToCreate")]
        if kind == "create" and "connect" in verbs:
            forms.append(self._name(relation, "ToConnect"))
        if kind == "update" and not is_list and "disconnect" in verbs:
            forms.append("None")
        description = f"The changes of the {relation.name}"
        if kind == "create":
            description = f"The {relation.name} to create, or an object with {' and '.join(verbs)}"
        return {relation.name: (" | ".join(forms), Field(MISSING, description=description))}

    def _verbs(self, relation: NestedRelation, suffix: str) -> type[BaseModel]:
        is_list = relation.relation.is_list
        kind: Kind = "update" if suffix == "Changes" else "create"
        required = {"ToCreate": "create", "ToConnect": "connect"}.get(suffix)
        verbs = [
            verb
            for verb in enabled_verbs(relation, kind)
            if required in {None, verb} or (is_list and suffix == "ToConnect")
        ]
        descriptions = _DESCRIPTIONS if is_list else _DESCRIPTIONS_OF_ONE
        fields: _Fields = {
            verb: (
                self._argument(relation, verb),
                Field(
                    ... if verb == required else MISSING,
                    description=descriptions[verb],
                    json_schema_extra={"uniqueItems": True}
                    if is_list and verb in _BY_KEY
                    else None,
                ),
            )
            for verb in verbs
        }
        source = relation.source.table_context.name
        model = create_model(
            f"{_component(relation)}{suffix}",
            __base__=_Verbs,
            __doc__=f"What happens to the {relation.name} of a {source}.",
            **fields,
        )
        model.documents = relation, kind
        return model

    def _argument(self, relation: NestedRelation, verb: Verb) -> str:
        """The annotation of the argument of a verb."""
        is_list = relation.relation.is_list
        if not is_list and verb in {"disconnect", "delete"}:
            return "Literal[True]"
        if verb == "create":
            item = self._name(relation, "Create")
        elif verb == "update":
            item = self._name(relation, "Update")
        elif verb == "upsert" and is_list:
            item = self._upsert_annotation(relation)
        elif verb == "upsert":
            item = self._name(relation, "Create")
        else:
            item = self._key_annotation(relation)
        return f"list[{item}]" if is_list else item

    def _upsert_annotation(self, relation: NestedRelation) -> str:
        create = self._name(relation, "Create")
        if not _is_key_creatable(relation):
            return f"{create} | {self._name(relation, 'Update')}"
        return self._name(relation, "Upsert") if _expected_version(relation) else create

    def _key_annotation(self, relation: NestedRelation) -> str:
        key = self._name(relation, "Key")
        if len(relation.key_columns) != 1:
            return key
        value = f"{key}_value"
        self._named[value] = key_field(relation.key_columns[0])[0]
        return f"{value} | {key}"


def _set_by_relations(table: WritableTable) -> frozenset[str]:
    """The fields of a new row that relations in its body can set."""
    return frozenset(
        name
        for relation in table.relations.values()
        if relation.side == "parent" and enabled_verbs(relation, "create")
        for name in relation.fields
    )


def enabled_verbs(relation: NestedRelation, kind: Kind) -> list[Verb]:
    """Return the verbs of a relation in the document."""
    return allowed_verbs(relation, kind, lambda table: resource_table(table).enabled)


def _component(owner: WritableTable | NestedRelation) -> str:
    if isinstance(owner, WritableTable):
        return resource_table(owner).component
    return f"{resource_table(owner.source).component}{component_name(owner.name)}"


def _a_row(relation: NestedRelation, *, capital: bool = True) -> str:
    article = "A" if capital else "a"
    source = relation.source.table_context.name
    return f"{article} {relation.target.table_context.name} in the {relation.name} of a {source}"


def _key(relation: NestedRelation) -> Iterator[tuple[str, ColumnShape]]:
    """The key of a related row in a body: its names in JSON, and its columns."""
    context = relation.target.table_context
    named = zip(context.key_names, context.shape.primary_key, strict=True)
    return ((name, column) for name, column in named if column in relation.key_columns)


def _expected_version(relation: NestedRelation) -> _Fields:
    """The field for the version of a row that is updated; none if it has no version."""
    version = relation.target.shape.version
    if version is None:
        return {}
    description = "The expected version: 412 if the row has another one"
    return {version.body_name: (int, Field(MISSING, description=description))}


def _is_key_creatable(relation: NestedRelation) -> bool:
    creatable = relation.target.table_context.create.schema.model_fields
    return all(column.name in creatable for column in relation.key_columns)
