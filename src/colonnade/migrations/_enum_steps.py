"""Steps on enum types, which PostgreSQL has by name and columns share; SQLite has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from alembic.operations import Operations

from colonnade.migrations._step import (
    Step,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
)


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

    def run_on_postgresql(self, operations: Operations) -> None:
        """Do it where there are enum types."""
        raise NotImplementedError  # each step does

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
    """

    function = "change_enum"
    words = "change the values of {0.name}"
    was: Sequence[str]
    mapping: Mapping[str, str] = field(default_factory=dict, kw_only=True)

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
        return tuple(one for one in self.was if one not in {*self.values, *self.mapping})

    def commits(self, dialect: str) -> bool:
        return dialect == "postgresql" and not self.is_new_type

    def run_on_postgresql(self, operations: Operations) -> None:
        if self.is_new_type:
            run_sql(operations, self._replaced(operations))
            return
        # A value that comes cannot be used in the transaction that it comes in.
        with outside_transaction(operations):
            run_sql(operations, *self._altered(operations))

    def reverse(self) -> Step:
        back = {new: old for old, new in self.renamed.items()}
        return ChangeEnum(self.name, self.was, self.values, mapping=back, schema=self.schema)

    def _altered(self, operations: Operations) -> list[str]:
        name = self.sql_type(operations)
        there = self._values_there(operations)
        found = []
        for old, new in self.renamed.items():
            if there is None or old in there:
                values = literal(operations, old), literal(operations, new)
                found.append(f"ALTER TYPE {name} RENAME VALUE {values[0]} TO {values[1]}")
        known = [self.renamed.get(value, value) for value in self.was]
        for place, value in enumerate(self.values):
            if value not in known:
                beside = "BEFORE" if place == 0 else "AFTER"
                other = literal(operations, known[0] if place == 0 else self.values[place - 1])
                added = literal(operations, value)
                found.append(f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {added} {beside} {other}")
        return found

    def _values_there(self, operations: Operations) -> set[str] | None:
        """The values as they are: this may have been interrupted; None if nobody can be asked."""
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return None
        asked = sa.text("SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:name)")
        return set(context.connection.scalars(asked, {"name": self.sql_type(operations)}))

    def _replaced(self, operations: Operations) -> str:
        name = self.sql_type(operations)
        old = f"{self.name}__old"
        return _REPLACE.format(
            name=name,
            text=literal(operations, str(name)),
            old=quoted(operations, old),
            was=quoted(operations, old, self.schema),
            create=_create(operations, name, self.values),
            **self._retyping(operations, name),
        )

    def _retyping(self, operations: Operations, name: str) -> dict[str, str]:
        """What gives a column of one value, and one of an array, the new type."""
        value, array = "{column}::text", "{column}::text[]"
        pairs = [(literal(operations, a), literal(operations, b)) for a, b in self.mapping.items()]
        cases = "".join(f" WHEN {was} THEN {new}" for was, new in pairs)
        if cases:
            value = f"CASE {value}{cases} ELSE {value} END"
        for was, new in pairs:
            array = f"array_replace({array}, {was}, {new})"
        return {
            kind: literal(
                operations,
                f"ALTER TABLE {{table}} ALTER {{column}} TYPE {new} USING ({using})::{new}",
            )
            for kind, new, using in (("value", name, value), ("array", f"{name}[]", array))
        }


def _create(operations: Operations, name: str, values: Sequence[str]) -> str:
    said = ", ".join(literal(operations, value) for value in values)
    return f"CREATE TYPE {name} AS ENUM ({said})"


_REPLACE = """
DO $colonnade$
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
  command text;
  altered text;
BEGIN
  ALTER TYPE {name} RENAME TO {old};
  {create};
  FOR one IN SELECT json_array_elements(used) LOOP
    command := CASE WHEN (one->>'is_array')::bool THEN {array} ELSE {value} END;
    command := replace(replace(command, '{{table}}', one->>'table'), '{{column}}', one->>'column');
    altered := 'ALTER TABLE ' || (one->>'table') || ' ALTER ' || (one->>'column');
    EXECUTE altered || ' DROP DEFAULT';
    EXECUTE command;
    BEGIN
      EXECUTE altered || ' SET DEFAULT ' || coalesce(one->>'default', 'NULL');
    EXCEPTION WHEN invalid_text_representation THEN
      NULL;  -- the default is no value any more
    END;
  END LOOP;
  DROP TYPE {was};
END $colonnade$
""".strip()
"""Defaults are read before the type has another name, by which they would be shown."""
