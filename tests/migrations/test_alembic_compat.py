"""The internals of Alembic that migrations rely on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.ddl.impl import DefaultImpl
from alembic.operations import Operations, ops
from alembic.runtime import plugins
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from colonnade.migrations import _alembic_compat as compat
from colonnade.migrations.autogenerate._comparators import PLUGINS


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"transaction_per_migration": True})


@pytest.fixture
def autogen_context(context: MigrationContext) -> AutogenContext:
    return AutogenContext(
        context, opts={"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op."}
    )


@pytest.fixture
def script(tmp_path: Path) -> ScriptDirectory:
    """A history of two branches and their merge."""
    for name, parents in (("a", None), ("b", "a"), ("c", "a"), ("d", ("b", "c"))):
        text = (
            f"revision = {name!r}\ndown_revision = {parents!r}\nupgrade = downgrade = lambda: None"
        )
        (tmp_path / f"{name}.py").write_text(text)
    config = Config(attributes={})
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("version_locations", str(tmp_path))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_the_steps_to_a_target_are_planned_in_both_directions(script: ScriptDirectory) -> None:
    upgrade = compat.upgrade_steps(script, "heads", ("b",))
    first, *rest = compat.downgrade_steps(script, "a", ("d",))
    assert [step.revision.revision for step in upgrade] == ["c", "d"]
    assert first.revision.revision == "d"
    assert {step.revision.revision for step in rest} == {"b", "c"}


def test_a_merge_has_two_parents(script: ScriptDirectory) -> None:
    revisions: list[Script] = [script.get_revision(name) for name in ("a", "b", "d")]
    assert [compat.parents_of(revision) for revision in revisions] == [(), ("a",), ("b", "c")]


def test_a_revision_runs_in_a_transaction(
    context: MigrationContext, connection: Connection
) -> None:
    with compat.revision_transaction(context):
        assert connection.in_transaction()
    assert not connection.in_transaction()


def test_the_functions_of_op_call_installed_operations_and_their_replaced_methods(
    context: MigrationContext,
) -> None:
    operations = Operations(context)
    calls: list[Any] = []
    with compat.installed(operations):
        assert compat.current_operations() is operations
        with compat.replaced_methods(operations, invoke=calls.append):
            op.drop_table("task")
        assert operations.invoke.__func__ is Operations.invoke  # type: ignore[attr-defined]  # a bound method
    assert [type(call) for call in calls] == [ops.DropTableOp]
    assert compat.current_operations() is None


def test_a_redirected_batch_runs_nothing(context: MigrationContext) -> None:
    calls: list[Any] = []
    batch = compat.redirected_batch(context, "task", "sales", calls.append)
    batch.drop_column("title")
    (call,) = calls
    assert (call.table_name, call.schema, call.column_name) == ("task", "sales", "title")


def test_a_batch_fills_a_temporary_table_with_the_prefix(
    context: MigrationContext, connection: Connection
) -> None:
    connection.exec_driver_sql("CREATE TABLE task (id INTEGER PRIMARY KEY, title TEXT)")
    statements: list[str] = []
    sa.event.listen(
        connection, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    with Operations(context).batch_alter_table("task", recreate="always") as batch:
        batch.alter_column("title", nullable=False)
    assert any(
        f"CREATE TABLE {compat.TEMPORARY_TABLE_PREFIX}task" in statement.replace('"', "")
        for statement in statements
    )


def test_sql_with_a_colon_is_executed(context: MigrationContext, connection: Connection) -> None:
    compat.execute(context.impl, "CREATE TABLE task (title TEXT DEFAULT 'a:b')")
    (column,) = sa.inspect(connection).get_columns("task")
    assert column["default"] == "'a:b'"


def test_types_identities_and_operations_are_rendered(autogen_context: AutogenContext) -> None:
    assert compat.render_type(sa.String(5), autogen_context) == "sa.String(length=5)"
    assert "start=3" in compat.render_identity(sa.Identity(start=3), autogen_context)
    body = compat.render_operations([ops.DropTableOp("task")], autogen_context)
    assert "op.drop_table('task')" in body


def test_every_private_name_exists() -> None:
    """A release of Alembic that renames one fails here first."""
    assert {"_upgrade_revs", "_downgrade_revs"} <= {*dir(ScriptDirectory)}
    assert {"_versioned_down_revisions"} <= {*dir(Script)}
    assert {"_install_proxy", "_remove_proxy"} <= {*dir(Operations)}
    assert {"_exec"} <= {*dir(DefaultImpl)}
    comparators = (compat.compare_foreign_keys, compat.compare_nullable, compat.compare_identity)
    assert all(callable(comparator) for comparator in comparators)


def test_every_plugin_that_is_replaced_exists() -> None:
    """Alembic silently ignores the exclusion of a plugin that does not exist."""
    excluded = {name.removeprefix("~") for name in PLUGINS if name.startswith("~")}
    assert excluded == {"alembic.autogenerate.defaults", "alembic.autogenerate.constraints"}
    assert excluded <= plugins._all_plugins.keys()
