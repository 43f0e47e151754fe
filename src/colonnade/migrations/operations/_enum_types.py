"""Steps on enum types, which are schema objects on PostgreSQL and do not exist on SQLite."""

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
        values: Its values, in order.
    """

    name: str
    values: Sequence[str]

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            self.run_on_postgresql(operations)
        else:
            self.run_on_sqlite(operations)

    def run_on_postgresql(self, operations: Operations) -> None:
        """Run the step on PostgreSQL."""
        raise NotImplementedError  # implemented by every step

    def run_on_sqlite(self, operations: Operations) -> None:
        """Update rows on SQLite, which has no types to change."""

    def sql_type(self, operations: Operations) -> str:
        """Return the quoted name of the type."""
        return quoted(operations, self.name, self.schema)


@dataclass(frozen=True, eq=False)
class CreateEnum(EnumStep):
    """Create an enum type."""

    function = "create_enum"
    description = "create type {0.name}"

    def run_on_postgresql(self, operations: Operations) -> None:
        run_sql(operations, _create_sql(operations, self.sql_type(operations), self.values))

    def reverse(self) -> Step:
        return DropEnum(self.name, self.values, schema=self.schema)


@dataclass(frozen=True, eq=False)
class DropEnum(EnumStep):
    """Drop an enum type that no column uses any more."""

    function = "drop_enum"
    description = "drop type {0.name}"

    def run_on_postgresql(self, operations: Operations) -> None:
        run_sql(operations, f"DROP TYPE {self.sql_type(operations)}")

    def reverse(self) -> Step:
        return CreateEnum(self.name, self.values, schema=self.schema)


@dataclass(frozen=True, eq=False)
class ChangeEnum(EnumStep):
    """Change the values of an enum type.

    Adding or renaming values alters the type in place. Removing or reordering values recreates the
    type and rewrites every table that uses it.

    Attributes:
        was: The old values, in order.
        mapping: The replacement for each removed value.
        columns: The columns whose rows are updated on SQLite, such as ``task.mood``.
    """

    function = "change_enum"
    description = "change the values of {0.name}"
    was: Sequence[str]
    mapping: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    columns: Sequence[str] = field(default=(), kw_only=True)

    @property
    def renamed(self) -> Mapping[str, str]:
        """The values whose replacement is a new value."""
        return {old: new for old, new in self.mapping.items() if new not in self.was}

    @property
    def recreates_type(self) -> bool:
        """Whether the type must be recreated."""
        kept = [self.renamed.get(value, value) for value in self.was]
        if len(set(kept)) < len(kept):
            return True
        return [value for value in self.values if value in set(kept)] != kept

    @property
    def removed(self) -> tuple[str, ...]:
        """The removed values that have no replacement."""
        return tuple(value for value in self.was if value not in {*self.values, *self.mapping})

    def commits(self, dialect: str) -> bool:
        return dialect == "postgresql" and not self.recreates_type

    def run_on_postgresql(self, operations: Operations) -> None:
        if self.recreates_type:
            run_sql(operations, self._recreate_sql(operations))
            return
        # PostgreSQL does not allow a new value to be used in the transaction that adds it.
        with outside_transaction(operations):
            run_sql(operations, *self._alter_sql(operations))

    def run_on_sqlite(self, operations: Operations) -> None:
        for qualified_name in self.columns if self.mapping else ():
            table, _, column = qualified_name.rpartition(".")
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

    def _alter_sql(self, operations: Operations) -> list[str]:
        name = self.sql_type(operations)
        current = self._current_values(operations)
        statements = []
        for old, new in self.renamed.items():
            if current is None or (old in current and new not in current):
                old_literal, new_literal = literal(operations, old), literal(operations, new)
                statements.append(f"ALTER TYPE {name} RENAME VALUE {old_literal} TO {new_literal}")
        known = [self.renamed.get(value, value) for value in self.was]
        for index, value in enumerate(self.values):
            if value not in known:
                beside = "BEFORE" if index == 0 else "AFTER"
                other = literal(operations, known[0] if index == 0 else self.values[index - 1])
                added = literal(operations, value)
                statements.append(
                    f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {added} {beside} {other}"
                )
        return statements

    def _current_values(self, operations: Operations) -> set[str] | None:
        """Return the type's current values; None without a connection.

        An interrupted run of the step may have changed them already.
        """
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return None
        query = sa.text("SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:name)")
        return set(context.connection.scalars(query, {"name": self.sql_type(operations)}))

    def _recreate_sql(self, operations: Operations) -> str:
        name = self.sql_type(operations)
        old = f"{self.name[:58]}__old"
        body = _RECREATE.format(
            name=name,
            text=literal(operations, str(name)),
            old=quoted(operations, old),
            was=quoted(operations, old, self.schema),
            create=_create_sql(operations, name, self.values),
            **self._using_templates(operations, name),
        )
        tag = "colonnade"
        while f"${tag}$" in body:
            tag += "_"
        return f"DO ${tag}$\n{body}\n${tag}$"

    def _using_templates(self, operations: Operations, name: str) -> dict[str, str]:
        """Return the statements that give a plain column, and an array column, the new type.

        They are literals of templates for PostgreSQL's ``format()``, which inserts the table and
        the column.
        """
        value, array = "%2$s::text", "%2$s::text[]"
        pairs = [
            (_escape_percents(literal(operations, old)), _escape_percents(literal(operations, new)))
            for old, new in self.mapping.items()
        ]
        cases = "".join(f" WHEN {old} THEN {new}" for old, new in pairs)
        if cases:
            value = f"CASE {value}{cases} ELSE {value} END"
        # Values in arrays are replaced one after the other. Temporary labels, which neither type
        # has, keep a replacement from being replaced again.
        temporary = [literal(operations, label) for label in self._temporary_labels(len(pairs))]
        for (old, _), label in zip(pairs, temporary, strict=True):
            array = f"array_replace({array}, {old}, {label})"
        for (_, new), label in zip(pairs, temporary, strict=True):
            array = f"array_replace({array}, {label}, {new})"
        name = _escape_percents(name)
        return {
            kind: literal(
                operations, f"ALTER TABLE %1$s ALTER %2$s TYPE {new} USING ({using})::{new}"
            )
            for kind, new, using in (("value", name, value), ("array", f"{name}[]", array))
        }

    def _temporary_labels(self, count: int) -> list[str]:
        prefix = "was"
        while any(value.startswith(prefix) for value in (*self.was, *self.values)):
            prefix += "_"
        return [f"{prefix}{number}" for number in range(count)]


def _escape_percents(text: str) -> str:
    """Escape text for a template of PostgreSQL's ``format()``."""
    return text.replace("%", "%%")


def _create_sql(operations: Operations, name: str, values: Sequence[str]) -> str:
    labels = ", ".join(literal(operations, value) for value in values)
    return f"CREATE TYPE {name} AS ENUM ({labels})"


_RECREATE = """
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
  col json;
  altered text;
BEGIN
  ALTER TYPE {name} RENAME TO {old};
  {create};
  FOR col IN SELECT json_array_elements(used) LOOP
    altered := format('ALTER TABLE %s ALTER %s ', col->>'table', col->>'column');
    EXECUTE altered || 'DROP DEFAULT';
    EXECUTE format(CASE WHEN (col->>'is_array')::bool THEN {array} ELSE {value} END,
                   col->>'table', col->>'column');
    EXECUTE altered || 'SET DEFAULT ' || coalesce(col->>'default', 'NULL');
  END LOOP;
  DROP TYPE {was};
END
""".strip()
"""Defaults are read before the type is renamed: afterwards they would contain its new name."""
