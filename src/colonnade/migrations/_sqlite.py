"""SQLite's tables, written anew without losing what Alembic does not carry over.

SQLite changes little of a table in place: Alembic copies it (batch mode). What it reads of the
old table lacks unnamed CHECKs, triggers, indexes on expressions, collations and AUTOINCREMENT.
"""

import re
import warnings
from typing import Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from alembic.util.sqla_compat import is_expression_index
from sqlalchemy.exc import SAWarning

from colonnade.migrations._stored import checks_in, has_expression

_TEMPORARY = "_alembic_tmp_"


class KeepingSQLiteImpl(SQLiteImpl):
    """Alembic's SQLite, in transactions and keeping what a table has.

    Alembic takes the last class of a dialect's name: importing this module is enough.
    """

    __dialect__ = "sqlite"
    transactional_ddl = True

    def requires_recreate_in_batch(self, batch_op: Any) -> bool:
        if not super().requires_recreate_in_batch(batch_op):
            return False
        if self.connection is not None and not self.as_sql:
            self._remember(batch_op)
        return True

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """SQLite takes NULL in a key that does not say NOT NULL; no model does."""
        super().autogen_column_reflect(inspector, table, column_info)
        if column_info.get("primary_key"):
            column_info["nullable"] = False

    def correct_for_autogen_constraints(
        self,
        conn_unique_constraints: Any,
        conn_indexes: Any,
        metadata_unique_constraints: Any,
        metadata_indexes: Any,
    ) -> None:
        """A UNIQUE that has no name is the models' of the same columns, which have one."""
        self._skip_functional_indexes(metadata_indexes, conn_indexes)
        named = {_columns(one) for one in conn_unique_constraints if one.name}
        for wanted in list(metadata_unique_constraints):
            there = uniques_of(self.connection, wanted.table.name)
            if _columns(wanted) in there and _columns(wanted) not in named:
                metadata_unique_constraints.discard(wanted)
                for one in list(conn_unique_constraints):
                    if _columns(one) == _columns(wanted):
                        conn_unique_constraints.discard(one)

    def _skip_functional_indexes(self, metadata_indexes: Any, conn_indexes: Any) -> None:
        """Leave those to our own comparison, without a word."""
        for index in [one for one in metadata_indexes if is_expression_index(one)]:
            metadata_indexes.discard(index)

    def _remember(self, batch_op: Any) -> None:
        connection = self.connection
        assert connection is not None
        found = connection.execute(
            sa.text(
                "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :name AND sql != ''"
            ),
            {"name": batch_op.table_name},
        ).all()
        self._kept = [(kind, name, sql) for kind, name, sql in found if kind != "table"]
        definition = next((sql for kind, _, sql in found if kind == "table"), "")
        unnamed = [condition for name, condition in checks_in(definition) if name is None]
        batch_op.table_args = (
            *batch_op.table_args,
            *(sa.CheckConstraint(sa.text(one.replace(":", "\\:"))) for one in unnamed),
        )
        reflected = sa.inspect(connection).get_unique_constraints(batch_op.table_name)
        known = {tuple(one["column_names"]) for one in reflected}
        batch_op.table_args += tuple(
            sa.UniqueConstraint(*columns)  # SQLAlchemy reads not every way to write one
            for columns in uniques_of(connection, batch_op.table_name) - known
        )
        if re.search(r"\bAUTOINCREMENT\b", definition, re.IGNORECASE):
            batch_op.table_kwargs.setdefault("sqlite_autoincrement", True)
        collations = _collations(definition)
        if collations:
            batch_op.reflect_kwargs["listeners"].append(
                ("column_reflect", lambda _i, _t, column: _collate(column, collations))
            )

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        rebuilt = old_table_name.startswith(_TEMPORARY) and not self.as_sql
        if rebuilt:  # else views and triggers that name the table would be looked at too early
            self._exec(sa.text("PRAGMA legacy_alter_table=ON"))
        super().rename_table(old_table_name, new_table_name, schema)
        if rebuilt:
            self._exec(sa.text("PRAGMA legacy_alter_table=OFF"))
            self._restore(str(new_table_name))

    def _restore(self, table: str) -> None:
        connection = self.connection
        assert connection is not None
        for kind, name, sql in getattr(self, "_kept", []):
            reflected = kind == "index" and not has_expression(sql)
            if not reflected and not _is_there(connection, name):
                self._exec(sa.text(sql.replace(":", "\\:")))
        self._kept = []


def leave_expression_indexes_to_us() -> None:
    """Have SQLAlchemy say nothing of indexes that it does not read: they are kept, and compared."""
    warnings.filterwarnings(
        "ignore", "Skipped unsupported reflection of expression-based index", SAWarning
    )


def read_rules_of_keys(dialect: Any) -> None:
    """Have ON DELETE and ON UPDATE of foreign keys read however they are written.

    SQLAlchemy reads them of keys that stand by themselves, not of those beside a column: such a
    table would lose them when it is written anew.

    Args:
        dialect: The dialect of an engine, which reads from now on.
    """
    stock = type(dialect).get_foreign_keys

    def get_foreign_keys(connection: Any, table_name: str, schema: Any = None, **kw: Any) -> Any:
        found = stock(dialect, connection, table_name, schema, **kw)
        quoted = table_name.replace('"', '""')
        rules: dict[int, tuple[list[str], dict[str, str]]] = {}
        for row in connection.execute(sa.text(f'PRAGMA foreign_key_list("{quoted}")')).all():
            said = {"onupdate": row[5], "ondelete": row[6]}
            columns, _ = rules.setdefault(
                row[0], ([], {key: rule for key, rule in said.items() if rule != "NO ACTION"})
            )
            columns.append(row[3])
        by_columns = {tuple(sorted(columns)): options for columns, options in rules.values()}
        for key in found:
            options = by_columns.get(tuple(sorted(key["constrained_columns"])), {})
            key["options"] = {**options, **key.get("options", {})}
        return found

    dialect.get_foreign_keys = get_foreign_keys


def _columns(constraint: Any) -> tuple[str, ...]:
    return tuple(str(column.name) for column in constraint.columns)


def uniques_of(connection: Any, table: str) -> set[tuple[str, ...]]:
    """The columns of each UNIQUE of a table, as SQLite itself knows them."""
    quoted = table.replace('"', '""')
    indexes = connection.execute(sa.text(f'PRAGMA index_list("{quoted}")')).all()
    found = set()
    for index in (row[1] for row in indexes if row[3] == "u"):
        rows = connection.execute(sa.text(f'PRAGMA index_info("{index}")')).all()
        found.add(tuple(str(row[2]) for row in rows))
    return found


def _is_there(connection: sa.Connection, name: str) -> bool:
    asked = sa.text("SELECT count(*) FROM sqlite_master WHERE name = :name")
    return bool(connection.scalar(asked, {"name": name}))


_COLLATION = re.compile(
    r"""(?:^|[,(])\s*("(?:[^"]|"")*"|\w+)\s[^,]*?\bCOLLATE\s+(\w+)""", re.IGNORECASE
)


def _collations(definition: str) -> dict[str, str]:
    return {name.strip('"'): collation for name, collation in _COLLATION.findall(definition)}


def _collate(column: Any, collations: dict[str, str]) -> None:
    collation = collations.get(column["name"])
    if collation and isinstance(column["type"], sa.String):
        column["type"] = sa.String(column["type"].length, collation=collation)
