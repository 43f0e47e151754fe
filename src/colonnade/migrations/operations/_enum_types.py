"""Steps on enum types, which PostgreSQL has by name and columns share; SQLite has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from alembic.operations import Operations

from colonnade.migrations.operations._base import (
    Step,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
)
from colonnade.migrations.operations._rows import MapValues


@dataclass(frozen=True, eq=False)
class EnumStep(Step):
    """A step on an enum type.

    Attributes:
        name: The type's name.
        values: Its values, in their order.
    """

    name: str
    values: Sequence[str]

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            self.run_on_postgresql(operations)
        else:
            self.run_on_sqlite(operations)

    def run_on_postgresql(self, operations: Operations) -> None:
        """Do it where there are enum types."""
        raise NotImplementedError  # each step does

    def run_on_sqlite(self, operations: Operations) -> None:
        """Do what there is to do about rows."""

    def sql_type(self, operations: Operations) -> str:
        """The type's name as SQL."""
        return quoted(operations, self.name, self.schema)


@dataclass(frozen=True, eq=False)
class CreateEnum(EnumStep):
    """Make an enum type."""

    function = "create_enum"
    words = "create type {0.name}"

    def run_on_postgresql(self, operations: Operations) -> None:
        run_sql(operations, _create(operations, self.sql_type(operations), self.values))

    def reverse(self) -> Step:
        return DropEnum(self.name, self.values, schema=self.schema)


@dataclass(frozen=True, eq=False)
class DropEnum(EnumStep):
    """Drop an enum type, which no column may have any more."""

    function = "drop_enum"
    words = "drop type {0.name}"

    def run_on_postgresql(self, operations: Operations) -> None:
        run_sql(operations, f"DROP TYPE {self.sql_type(operations)}")

    def reverse(self) -> Step:
        return CreateEnum(self.name, self.values, schema=self.schema)


@dataclass(frozen=True, eq=False)
class ChangeEnum(EnumStep):
    """Give an enum type other values.

    Values that come and values that are called something else are a matter of the type alone.
    For values that go, or that stand in another order, a new type is made and every column that
    has the old one is written anew.

    Attributes:
        was: Its values before.
        mapping: What values become that go.
        columns: Which have it, where rows may have to be changed: ``task.mood``.
    """

    function = "change_enum"
    words = "change the values of {0.name}"
    was: Sequence[str]
    mapping: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    columns: Sequence[str] = field(default=(), kw_only=True)

    @property
    def renamed(self) -> Mapping[str, str]:
        """The values that become one that was not there before."""
        return {old: new for old, new in self.mapping.items() if new not in self.was}

    @property
    def is_new_type(self) -> bool:
        """Whether it takes another type."""
        kept = [self.renamed.get(value, value) for value in self.was]
        if len(set(kept)) < len(kept):
            return True
        return [value for value in self.values if value in set(kept)] != kept

    @property
    def removed(self) -> tuple[str, ...]:
        """The values that go, and become no other."""
        return tuple(value for value in self.was if value not in {*self.values, *self.mapping})

    def commits(self, dialect: str) -> bool:
        return dialect == "postgresql" and not self.is_new_type

    def run_on_postgresql(self, operations: Operations) -> None:
        if self.is_new_type:
            run_sql(operations, self._replaced(operations))
            return
        # A value that comes cannot be used in the transaction that it comes in.
        with outside_transaction(operations):
            run_sql(operations, *self._altered(operations))

    def run_on_sqlite(self, operations: Operations) -> None:
        for full in self.columns if self.mapping else ():
            table, _, column = full.rpartition(".")
            MapValues(table, column, self.mapping).run(operations)

    def reverse(self) -> Step:
        back = {new: old for old, new in self.renamed.items()}
        return ChangeEnum(
            self.name,
            self.was,
            self.values,
            mapping=back,
            columns=self.columns,
            schema=self.schema,
        )

    def _altered(self, operations: Operations) -> list[str]:
        name = self.sql_type(operations)
        there = self._values_there(operations)
        altered = []
        for old, new in self.renamed.items():
            if there is None or (old in there and new not in there):
                values = literal(operations, old), literal(operations, new)
                altered.append(f"ALTER TYPE {name} RENAME VALUE {values[0]} TO {values[1]}")
        known = [self.renamed.get(value, value) for value in self.was]
        for place, value in enumerate(self.values):
            if value not in known:
                beside = "BEFORE" if place == 0 else "AFTER"
                other = literal(operations, known[0] if place == 0 else self.values[place - 1])
                added = literal(operations, value)
                altered.append(
                    f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {added} {beside} {other}"
                )
        return altered

    def _values_there(self, operations: Operations) -> set[str] | None:
        """The values as they are: this may have been interrupted; None if nobody can be asked."""
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return None
        query = sa.text("SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:name)")
        return set(context.connection.scalars(query, {"name": self.sql_type(operations)}))

    def _replaced(self, operations: Operations) -> str:
        name = self.sql_type(operations)
        old = f"{self.name[:58]}__old"
        body = _REPLACE.format(
            name=name,
            text=literal(operations, str(name)),
            old=quoted(operations, old),
            was=quoted(operations, old, self.schema),
            create=_create(operations, name, self.values),
            **self._retyping(operations, name),
        )
        tag = "colonnade"
        while f"${tag}$" in body:
            tag += "_"
        return f"DO ${tag}$\n{body}\n${tag}$"

    def _retyping(self, operations: Operations, name: str) -> dict[str, str]:
        """What gives a column of one value, and one of an array, the new type.

        As templates for PostgreSQL's ``format()``, with the table and the column.
        """
        value, array = "%2$s::text", "%2$s::text[]"
        pairs = [
            (_in_format(literal(operations, old)), _in_format(literal(operations, new)))
            for old, new in self.mapping.items()
        ]
        cases = "".join(f" WHEN {old} THEN {new}" for old, new in pairs)
        if cases:
            value = f"CASE {value}{cases} ELSE {value} END"
        # An array is mapped value by value: by way of words that are not values of either type.
        between = [literal(operations, word) for word in self._words_between(len(pairs))]
        for (old, _), word in zip(pairs, between, strict=True):
            array = f"array_replace({array}, {old}, {word})"
        for (_, new), word in zip(pairs, between, strict=True):
            array = f"array_replace({array}, {word}, {new})"
        name = _in_format(name)
        return {
            kind: literal(
                operations, f"ALTER TABLE %1$s ALTER %2$s TYPE {new} USING ({using})::{new}"
            )
            for kind, new, using in (("value", name, value), ("array", f"{name}[]", array))
        }

    def _words_between(self, count: int) -> list[str]:
        word = "was"
        while any(value.startswith(word) for value in (*self.was, *self.values)):
            word += "_"
        return [f"{word}{number}" for number in range(count)]


def _in_format(text: str) -> str:
    """Text as it is in a template of PostgreSQL's ``format()``."""
    return text.replace("%", "%%")


def _create(operations: Operations, name: str, values: Sequence[str]) -> str:
    literals = ", ".join(literal(operations, value) for value in values)
    return f"CREATE TYPE {name} AS ENUM ({literals})"


_REPLACE = """
DECLARE
  used json := (
    SELECT json_agg(json_build_object(
      'table', a.attrelid::regclass::text, 'column', quote_ident(a.attname),
      'is_array', a.atttypid = t.typarray, 'default', pg_get_expr(d.adbin, d.adrelid)))
    FROM pg_type t
    JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND a.attinhcount = 0
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE t.oid = {text}::regtype AND NOT a.attisdropped
  );
  one json;
  altered text;
BEGIN
  ALTER TYPE {name} RENAME TO {old};
  {create};
  FOR one IN SELECT json_array_elements(used) LOOP
    altered := format('ALTER TABLE %s ALTER %s ', one->>'table', one->>'column');
    EXECUTE altered || 'DROP DEFAULT';
    EXECUTE format(CASE WHEN (one->>'is_array')::bool THEN {array} ELSE {value} END,
                   one->>'table', one->>'column');
    EXECUTE altered || 'SET DEFAULT ' || coalesce(one->>'default', 'NULL');
  END LOOP;
  DROP TYPE {was};
END
""".strip()
"""Defaults are read before the type has another name, by which they would be shown."""
