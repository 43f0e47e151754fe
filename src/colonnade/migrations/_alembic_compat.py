"""Everything that Colonnade uses of Alembic's internals.

Alembic may rename what begins with an underscore in any release. Migrations do not work without
these names; ``tests/migrations/test_alembic_compat.py`` names them and fails first.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import sqlalchemy as sa
from alembic import op
from alembic.autogenerate import render
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.compare import constraints, server_defaults
from alembic.ddl.impl import DefaultImpl
from alembic.operations import BatchOperations, Operations, ops
from alembic.operations.ops import MigrateOperation
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from sqlalchemy.types import TypeEngine


def upgrade_steps(script: ScriptDirectory, target: str, heads: Sequence[str]) -> list[RevisionStep]:
    """Return the revisions that an upgrade to a target runs, in order."""
    return list(script._upgrade_revs(target, cast("Any", heads)))


def downgrade_steps(
    script: ScriptDirectory, target: str, heads: Sequence[str]
) -> list[RevisionStep]:
    """Return the revisions that a downgrade to a target reverts, in order."""
    return list(script._downgrade_revs(target, cast("Any", heads)))


def parents_of(script: Script) -> tuple[str, ...]:
    """Return the ids of the revisions that a revision follows: several if it merges branches."""
    return tuple(script._versioned_down_revisions)


def revision_transaction(context: MigrationContext) -> AbstractContextManager[Any]:
    """Begin the transaction in which Alembic runs one revision."""
    return context.begin_transaction(_per_migration=True)


def current_operations() -> Operations:
    """Return the ``Operations`` that the functions of ``alembic.op`` call."""
    operations: Operations = cast("Any", op)._proxy
    return operations


@contextmanager
def replaced_methods(operations: Operations, **methods: Callable[..., Any]) -> Iterator[None]:
    """Replace methods of installed operations, so that ``alembic.op`` calls the replacements."""
    for name, method in methods.items():
        setattr(operations, name, method)
    operations._install_proxy()
    try:
        yield
    finally:
        for name in methods:
            delattr(operations, name)
        operations._install_proxy()


@contextmanager
def installed(operations: Operations) -> Iterator[None]:
    """Make the functions of ``alembic.op`` call these operations."""
    operations._install_proxy()
    try:
        yield
    finally:
        operations._remove_proxy()


def redirected_batch(
    context: MigrationContext,
    table: str,
    schema: str | None,
    invoke: Callable[[MigrateOperation], Any],
) -> BatchOperations:
    """Return a batch that passes its operations to a function instead of running them.

    Args:
        context: Alembic's context.
        table: The table.
        schema: Its schema.
        invoke: Called with each operation.
    """
    impl: Any = SimpleNamespace(table_name=table, schema=schema)
    batch: Any = BatchOperations(context, impl=impl)
    batch.invoke = invoke
    return cast("BatchOperations", batch)


TEMPORARY_TABLE_PREFIX = "_alembic_tmp_"
"""The prefix of the table that Alembic's batch mode fills and then renames."""


def execute(impl: DefaultImpl, sql: str) -> None:
    """Run SQL through Alembic, which prints it in offline mode."""
    impl._exec(sa.text(sql.replace(":", "\\:")))


def render_type(type_: TypeEngine[Any], autogen_context: AutogenContext) -> str:
    """Render a type as Python."""
    return render._repr_type(type_, autogen_context)


def render_identity(identity: sa.Identity, autogen_context: AutogenContext) -> str:
    """Render an identity column's options as Python."""
    return render._render_identity(identity, autogen_context)


def render_operations(
    operations: Sequence[MigrateOperation], autogen_context: AutogenContext
) -> str:
    """Render operations as the body of ``upgrade()`` or ``downgrade()``."""
    return render._render_cmd_body(ops.UpgradeOps(list(operations)), autogen_context)


compare_foreign_keys = constraints._compare_foreign_keys
compare_nullable = constraints._compare_nullable
compare_identity = server_defaults._compare_identity_default
