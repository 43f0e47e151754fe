"""The first step of a nested write: a body becomes rows with the changes of their relations."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes, did_you_mean
from colonnade.rows import MAX_ERRORS, NO_VALUES, BodyReader, check_batch_size, load_json
from colonnade.writes._changes import Change, Key
from colonnade.writes._errors import path_text
from colonnade.writes.nested._rows import (
    KeyReference,
    Loc,
    NestedRow,
    RelationChanges,
    UpsertedRow,
)
from colonnade.writes.nested._tables import (
    MAX_DEPTH,
    NestedOperation,
    NestedRelation,
    Verb,
    WritableTable,
)
from colonnade.writes.nested._verbs import (
    Impossible,
    Kind,
    known_verbs,
    missing_parent,
    needed_operations,
    why_impossible,
)

RawRow = tuple[dict[str, Any], Loc]
"""A JSON object of the body, and its location."""

_BODY: Loc = ("body",)


class NestedScopes(Protocol):
    """The scopes of a request, for the tables and links in its body."""

    def of_table(self, table: WritableTable) -> Scopes:
        """Return the scopes of a write of a table."""

    def of_link(self, relation: NestedRelation) -> Scopes:
        """Return the scopes of the links of a relation."""


class NestedBody:
    """Parses one body with nested rows.

    Args:
        scopes: The scopes of the request.
        root: The table of the Resource.
        max_rows: The maximum number of rows, nested ones included.

    Attributes:
        errors: What is wrong with the body.
        uses: The operations that the body needs of each table, and where it first needs them.
    """

    def __init__(self, scopes: NestedScopes, root: WritableTable, max_rows: int) -> None:
        self.root = root
        self.errors: list[dict[str, Any]] = []
        self.uses: dict[tuple[WritableTable, NestedOperation], Loc] = {}
        self._scopes = scopes
        self._max_rows = max_rows
        self._count = 0
        self._named: dict[Any, dict[Key, Loc]] = {}

    def raise_errors(self) -> None:
        """Refuse a body that is not valid.

        Raises:
            QueryError: The errors.
        """
        if self.errors:
            # An upsert is parsed as an update and as a create, which have errors in common.
            distinct = {(entry["loc"], entry["msg"]): entry for entry in self.errors}
            raise QueryError(list(distinct.values())[:MAX_ERRORS])

    def _load(self, body: bytes) -> Any:
        """Parse the JSON of a body.

        Raises:
            QueryError: It is not JSON.
        """
        tables = self.root.all_tables()
        readers = [table.reader(kind) for table in tables for kind in ("create", "update")]
        exact = any(reader.has_long_number(body) for reader in readers)
        try:
            return load_json(body) if exact else from_json(body, allow_inf_nan=False)
        except ValueError as error:
            message = f"The body is not valid JSON: {error}"
            raise QueryError([error_entry("json_invalid", ("body",), message)]) from None
        except RecursionError:
            message = "JSON is nested too deeply"
            raise QueryError([error_entry("too_deep", ("body",), message)]) from None

    def create(self, body: bytes, omitted: frozenset[str] = frozenset()) -> list[NestedRow]:
        """Parse a row to create, with what is nested in it.

        Args:
            body: The JSON of the row.
            omitted: The fields that the relation of the path sets.
        """
        raw = _object(self._load(body), _BODY)
        return self._rows(self.root, "create", [(raw, _BODY)], omitted, depth=0)

    def create_many(self, body: bytes) -> list[NestedRow]:
        """Parse an array of rows to create, with what is nested in them."""
        items = self._load(body)
        if not isinstance(items, list):
            message = "The body must be a JSON array of objects"
            raise QueryError([error_entry("batch", _BODY, message)])
        check_batch_size(len(items), self._max_rows, _BODY)
        locs = [(*_BODY, index) for index in range(len(items))]
        raw_rows = [(_object(item, loc), loc) for item, loc in zip(items, locs, strict=True)]
        return self._rows(self.root, "create", raw_rows, frozenset(), depth=0)

    def update(self, body: bytes, key: Key, expected: frozenset[str] | None) -> list[NestedRow]:
        """Parse the changes of a row, with what is nested in it.

        Args:
            body: The JSON of the changed fields.
            key: The key of the row.
            expected: The versions of the row that are accepted; None for any.
        """
        self._name(self.root.shape.table, key, _BODY)
        raw = _object(self._load(body), _BODY)
        rows = self._rows(self.root, "update", [(raw, _BODY)], frozenset(), depth=0)
        for row in rows:
            row.change.key, row.change.expected = key, expected
        return rows

    # Rows

    def _rows(
        self,
        table: WritableTable,
        kind: Kind,
        raw_rows: list[RawRow],
        omitted: frozenset[str],
        depth: int,
    ) -> list[NestedRow]:
        """Parse rows of one table; empty if one of them is not valid."""
        nested_rows = [_relations_in(raw, table) for raw, _ in raw_rows]
        fields = [
            {name: value for name, value in raw.items() if name not in nested} if nested else raw
            for (raw, _), nested in zip(raw_rows, nested_rows, strict=True)
        ]
        plain = table.reader(kind, omitted)
        readers = [
            table.reader(kind, omitted | _set_by_relations(table, nested)) if nested else plain
            for nested in nested_rows
        ]
        instances = self._instances(table, readers, fields, raw_rows)
        scopes = self._scopes.of_table(table)
        if not instances:  # the errors below them are listed too
            for (_, loc), nested, reader in zip(raw_rows, nested_rows, readers, strict=True):
                self._relations(
                    NestedRow(table, Change(kind, {}, scopes), reader, loc), nested, depth
                )
        scope_values = self._scope_values(table, kind)
        rows = []
        for (_, loc), nested, reader, instance in zip(
            raw_rows, nested_rows, readers, instances, strict=False
        ):
            try:
                values = reader.values(instance, loc, scope_values)
            except QueryError as error:
                self.errors += error.errors
                continue
            change = Change(kind, values, scopes, body=instance)
            row = NestedRow(table, change, reader, loc)
            if nested:
                self._refuse_inverse(row, nested, omitted)
                row.relations = self._relations(row, nested, depth)
            rows.append(row)
        return rows

    def _instances(
        self,
        table: WritableTable,
        readers: list[BodyReader],
        fields: list[dict[str, Any]],
        raw_rows: list[RawRow],
    ) -> list[BaseModel]:
        """Validate rows with the schema of their reader; empty if one of them is not valid."""
        for reader, row in zip(readers, fields, strict=True):
            reader.with_exact_decimals(row)
        kind: Kind = "create" if readers and readers[0].is_complete else "update"
        scope_values = self._scope_values(table, kind)
        try:
            if len(fields) > 1 and all(reader is readers[0] for reader in readers):
                return readers[0].parse_rows(fields, scope_values)
            return [
                self._instance(reader, row, loc, scope_values)
                for reader, row, (_, loc) in zip(readers, fields, raw_rows, strict=True)
            ]
        except QueryError as error:
            self.errors += [_located(entry, raw_rows) for entry in error.errors]
            return []

    def _instance(
        self, reader: BodyReader, row: dict[str, Any], loc: Loc, scope_values: Mapping[str, Any]
    ) -> BaseModel:
        return reader.parse(to_json(row), loc, scope_values)

    def _objects(self, value: Any, loc: Loc) -> list[RawRow]:
        """The items of a list that are objects, with their locations."""
        rows = []
        for index, item in enumerate(self._list(value, loc)):
            if isinstance(item, dict):
                rows.append((item, (*loc, index)))
            else:
                self._refuse("dict_type", (*loc, index), "Input should be a JSON object")
        return rows

    def _list(self, value: Any, loc: Loc) -> list[Any]:
        if not isinstance(value, list):
            self._refuse("list_type", loc, "Input should be a JSON array")
            return []
        self._add(len(value), loc)
        return value

    def _add(self, count: int, loc: Loc) -> None:
        """Count rows.

        Raises:
            QueryError: The body has more than the maximum.
        """
        self._count += count
        if self._count > self._max_rows:
            message = f"A body can contain at most {self._max_rows:,} nested rows"
            raise QueryError([error_entry("too_long", loc, message)])

    # Relations

    def _refuse_inverse(
        self, row: NestedRow, nested: Iterable[str], omitted: frozenset[str]
    ) -> None:
        """Refuse relations that would set what the relation around the row sets already."""
        for name in nested:
            relation = row.table.relations[name]
            if relation.side == "parent" and relation.fields & omitted:
                fields = " and ".join(sorted(relation.fields & omitted))
                message = f"The relation around this row sets {fields}: leave {name} out of it"
                self._refuse("extra_forbidden", (*row.loc, name), message)

    def _relations(
        self, row: NestedRow, nested: Mapping[str, Any], depth: int
    ) -> list[RelationChanges]:
        if nested and depth >= MAX_DEPTH:
            name = next(iter(nested))
            message = f"Rows can be nested at most {MAX_DEPTH} levels deep"
            self._refuse("too_deep", (*row.loc, name), message)
            return []
        return [
            self._relation(row, row.table.relations[name], value, (*row.loc, name), depth + 1)
            for name, value in nested.items()
        ]

    def _relation(
        self, row: NestedRow, relation: NestedRelation, value: Any, loc: Loc, depth: int
    ) -> RelationChanges:
        changes = RelationChanges(
            relation, loc, self._scopes.of_table(relation.target), self._scopes.of_link(relation)
        )
        kind: Kind = "create" if row.change.kind == "create" else "update"
        verbs = self._verbs(relation, kind, value, loc)
        self._refuse_several_rows(relation, verbs, loc)
        for verb, (argument, verb_loc) in verbs.items():
            self._use(relation, verb, verb_loc)
            if not self._is_possible(relation, kind, verb, verb_loc):
                continue
            if relation.relation.is_list:
                self._read_many(changes, row, verb, argument, verb_loc, depth)
            else:
                self._read_one(changes, verb, argument, verb_loc, depth)
        return changes

    def _verbs(
        self, relation: NestedRelation, kind: Kind, value: Any, loc: Loc
    ) -> dict[Verb, tuple[Any, Loc]]:
        """What a body asks of a relation, by verb, with its location."""
        is_list = relation.relation.is_list
        known = known_verbs(relation, kind)
        if isinstance(value, list) and is_list and kind == "create":
            return {"create": (value, loc)}
        if value is None and not is_list and kind == "update":
            return {"disconnect": (True, loc)}
        if isinstance(value, dict) and (value or not is_list or kind == "update"):
            if not is_list and kind == "create" and not (value and value.keys() <= set(known)):
                return {"create": (value, loc)}
            for name in value.keys() - set(known):
                message = f"Unknown operation {name}. Use {', '.join(known)}."
                hint = did_you_mean(name, known)
                self._refuse("unknown_operation", (*loc, name), message + hint)
            return {verb: (value[verb], (*loc, verb)) for verb in known if verb in value}
        operations = f"an object with {', '.join(known)}"
        plain = "an array of objects, or " if is_list else "an object, or "
        message = f"{relation.name} must be {plain if kind == 'create' else ''}{operations}"
        self._refuse("relation", loc, message)
        return {}

    def _refuse_several_rows(
        self, relation: NestedRelation, verbs: Iterable[Verb], loc: Loc
    ) -> None:
        """Refuse verbs that would give a relation to one row several rows, or none and one."""
        if relation.relation.is_list:
            return
        removing = [verb for verb in verbs if verb in {"disconnect", "delete"}]
        others = [verb for verb in verbs if verb not in removing]
        replaces = not removing or {"create", "connect"}.issuperset(others)
        if len(removing) > 1 or len(others) > 1 or not replaces:
            names = " and ".join([*removing, *others])
            message = f"{relation.name} is one row, so {names} cannot be combined"
            self._refuse("relation", loc, message)
        if relation.side == "parent" and removing == ["delete"] and not others:
            self._refuse_if(missing_parent(relation, "delete"), (*loc, "delete"))

    def _use(self, relation: NestedRelation, verb: Verb, loc: Loc) -> None:
        """Record the operations that a verb needs, and refuse those that a Resource lacks."""
        for table, operation in needed_operations(relation, verb):
            is_replaced = operation == "link" and relation.name in table.replaced_links
            if operation not in table.operations or is_replaced:
                message = (
                    f"The Resource of {table.table_context.name} does not allow {operation}, "
                    f"which {verb} needs"
                )
                self._refuse("operation", loc, message)
            else:
                self.uses.setdefault((table, operation), loc)

    def _is_possible(self, relation: NestedRelation, kind: Kind, verb: Verb, loc: Loc) -> bool:
        """Refuse what the foreign key of a relation does not allow."""
        impossible = why_impossible(relation, kind, verb)
        self._refuse_if(impossible, loc)
        return impossible is None

    def _refuse_if(self, impossible: Impossible | None, loc: Loc) -> None:
        if impossible is not None:
            self._refuse(impossible.kind, loc, impossible.message)

    def _read_many(
        self,
        changes: RelationChanges,
        row: NestedRow,
        verb: Verb,
        value: Any,
        loc: Loc,
        depth: int,
    ) -> None:
        relation = changes.relation
        if verb == "create":
            changes.create = self._created(relation, self._objects(value, loc), depth)
        elif verb == "update":
            changes.update = self._updated(changes, row, self._objects(value, loc), depth)
        elif verb == "upsert":
            changes.upsert = self._upserted(changes, row, self._objects(value, loc), depth)
        else:
            items = enumerate(self._list(value, loc))
            keys = [self._key(relation, item, (*loc, index)) for index, item in items]
            references = [key for key in keys if key is not None]
            for reference in references:
                self._name_related(relation, row, verb, reference.key, reference.loc)
            setattr(changes, verb, references)

    def _read_one(
        self, changes: RelationChanges, verb: Verb, value: Any, loc: Loc, depth: int
    ) -> None:
        relation = changes.relation
        if verb in {"disconnect", "delete"}:
            if value is not True:
                self._refuse("bool_type", loc, f"{verb} of one row must be true")
            setattr(changes, f"{verb}s_one", True)
            return
        self._add(1, loc)
        if verb == "connect":
            reference = self._key(relation, value, loc)
            if reference is not None:
                if relation.side == "children":  # many rows may refer to one parent
                    self._name(relation.target.shape.table, reference.key, loc)
                changes.connect = [reference]
            return
        if not isinstance(value, dict):
            self._refuse("dict_type", loc, "Input should be a JSON object")
            return
        if verb == "create":
            changes.create = self._created(relation, [(value, loc)], depth)
            return
        omitted = relation.omitted
        update = self._rows(relation.target, "update", [(value, loc)], omitted, depth)
        if verb == "update":
            changes.update = update
        else:
            create = self._created(relation, [(value, loc)], depth)
            changes.upsert = [UpsertedRow(next(iter(update), None), next(iter(create), None))]

    def _created(
        self, relation: NestedRelation, raw_rows: list[RawRow], depth: int
    ) -> list[NestedRow]:
        return self._rows(relation.target, "create", raw_rows, relation.omitted, depth)

    def _updated(
        self, changes: RelationChanges, row: NestedRow, raw_rows: list[RawRow], depth: int
    ) -> list[NestedRow]:
        """Parse rows to update; their keys and versions are removed from the objects."""
        relation = changes.relation
        rows_with_key: list[RawRow] = []
        keys: list[Key] = []
        versions: list[frozenset[str] | None] = []
        for raw_row in raw_rows:
            raw, loc = raw_row
            key = self._pop_key(relation, raw, loc)
            if key is None:
                continue
            self._name_related(relation, row, "update", key, loc)
            keys.append(key)
            versions.append(self._pop_version(relation, raw, loc))
            rows_with_key.append(raw_row)
        rows = self._rows(relation.target, "update", rows_with_key, relation.omitted, depth)
        if len(rows) < len(keys):
            return []
        for nested, key, expected in zip(rows, keys, versions, strict=True):
            nested.change.key, nested.change.expected = key, expected
        return rows

    def _upserted(
        self, changes: RelationChanges, row: NestedRow, raw_rows: list[RawRow], depth: int
    ) -> list[UpsertedRow]:
        relation = changes.relation
        upserted: list[UpsertedRow] = []
        for raw, loc in raw_rows:
            if not all(name in raw for name, _ in relation.key_readers):
                created = self._created(relation, [(raw, loc)], depth)
                upserted.extend(UpsertedRow(None, row) for row in created)
                continue
            new = dict(raw)
            updated = self._updated(changes, row, [(raw, loc)], depth)
            creatable = relation.target.table_context.create.schema.model_fields
            has_key = all(column.name in creatable for column in relation.key_columns)
            self._pop_version(relation, new, loc)
            create = self._created(relation, [(new, loc)], depth) if has_key else []
            if updated:
                upserted.append(UpsertedRow(updated[0], next(iter(create), None)))
        return upserted

    # Keys

    def _key(self, relation: NestedRelation, value: Any, loc: Loc) -> KeyReference | None:
        """Read the key of an existing row: a value, or an object with the columns of the key."""
        names = [name for name, _ in relation.key_readers]
        if not isinstance(value, dict):
            if len(names) != 1:
                message = f"Name the row by an object with {', '.join(names) or 'its key'}"
                self._refuse("key", loc, message)
                return None
            try:
                ((_, read),) = relation.key_readers
                return KeyReference((read(value),), loc)
            except ValidationError as error:
                self._refuse("key", loc, error.errors()[0]["msg"])
                return None
        if value.keys() != set(names):
            self._refuse("key", loc, f"Name the row by an object with {', '.join(names)} alone")
            return None
        rest = dict(value)
        key = self._pop_key(relation, rest, loc)
        return None if key is None else KeyReference(key, loc)

    def _pop_key(self, relation: NestedRelation, raw: dict[str, Any], loc: Loc) -> Key | None:
        """Remove the key from an object; None if it is not valid."""
        key = []
        for name, read in relation.key_readers:
            if name not in raw:
                self._refuse("missing", (*loc, name), "The key of the row is required")
                return None
            try:
                key.append(read(raw.pop(name)))
            except ValidationError as error:
                self._refuse("key", (*loc, name), error.errors()[0]["msg"])
                return None
        return tuple(key)

    def _pop_version(
        self, relation: NestedRelation, raw: dict[str, Any], loc: Loc
    ) -> frozenset[str] | None:
        """Remove the expected version from an object; None if it has none."""
        version = relation.target.shape.version
        if version is None or version.body_name not in raw:
            return None
        value = raw.pop(version.body_name)
        if not isinstance(value, int) or isinstance(value, bool):
            self._refuse("int_type", (*loc, version.body_name), "Input should be a valid integer")
            return None
        return frozenset([str(value)])

    def _name_related(
        self, relation: NestedRelation, row: NestedRow, verb: Verb, key: Key, loc: Loc
    ) -> None:
        """Refuse a row that the body names twice, or its link and the row itself."""
        self._name(_key_namespace(relation, row, verb), key, loc)
        if relation.side == "links":
            self._name((relation, id(row)), key, loc)

    def _name(self, namespace: Any, key: Key, loc: Loc) -> None:
        """Refuse a row that the body names twice."""
        first = self._named.setdefault(namespace, {}).setdefault(key, loc)
        if first != loc:
            self._refuse("duplicate", loc, f"This row is also at {path_text(first)}")

    def _refuse(self, kind: str, loc: Loc, message: str) -> None:
        self.errors.append(error_entry(kind, loc, message))

    # Scopes

    def _scope_values(self, table: WritableTable, kind: Kind) -> Mapping[str, Any]:
        if kind == "update":
            return NO_VALUES
        return self._scopes.of_table(table).values(table.shape.table)


def _relations_in(raw: dict[str, Any], table: WritableTable) -> Mapping[str, Any]:
    """The values of the relations in an object, by name."""
    relations = table.relations
    if relations.keys().isdisjoint(raw):
        return NO_VALUES
    return {name: raw[name] for name in relations if name in raw}


def _key_namespace(relation: NestedRelation, row: NestedRow, verb: Verb) -> Any:
    """Where a key must be named only once: in the table, or among the rows of one parent."""
    if relation.has_whole_key and (
        relation.side != "links" or verb in {"update", "delete", "upsert"}
    ):
        return relation.target.shape.table
    return (relation, id(row))


def _set_by_relations(table: WritableTable, nested: Iterable[str]) -> frozenset[str]:
    """The fields of a row that its own relations in the body set."""
    relations = (table.relations[name] for name in nested)
    return frozenset(
        name for relation in relations if relation.side == "parent" for name in relation.fields
    )


def _located(entry: dict[str, Any], raw_rows: list[RawRow]) -> dict[str, Any]:
    """An error of a list of rows, with the location of the row in the body."""
    loc = entry["loc"]
    if not loc or not isinstance(loc[0], int):
        return entry
    return {**entry, "loc": (*raw_rows[loc[0]][1], *loc[1:])}


def _object(value: Any, loc: Loc) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "Input should be a JSON object"
        raise QueryError([error_entry("dict_type", loc, message)])
    return value
