"""Writes of rows with their hooks, in the session of the transaction."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.errors import ModelError
from colonnade.rows import BodyReader
from colonnade.writes._changes import Change, ChangeSet, Key, Values, WriteKind
from colonnade.writes._table_context import TableContext
from colonnade.writes.execution._hooks import Hooks, Moment, Provided, RunStatements
from colonnade.writes.execution._table_writer import TableWriter
from colonnade.writes.execution._upsert_writes import UpsertedRow
from colonnade.writes.rules._rules import RowValidator

Arguments = dict[str, Any]
"""The arguments of hooks, by name."""
Committed = tuple[WriteKind, Arguments]
"""What happened to a row, and the arguments of the hooks after the commit."""
Located = Callable[[Key], AbstractContextManager[Any]]


class HookedWrites:
    """Executes writes of one table with their hooks.

    Args:
        table_context: The table.
        hooks: The hooks of the Resource.
        writer: The writes of the table.
    """

    def __init__(self, table_context: TableContext, hooks: Hooks, writer: TableWriter) -> None:
        self.table_context = table_context
        self.hooks = hooks
        self.writer = writer

    async def write(
        self, changes: ChangeSet, provided: Provided, session: AsyncSession, run: RunStatements
    ) -> tuple[list[Any], list[Committed]]:
        """Execute changes, and return the rows and the arguments of hooks after the commit.

        Args:
            changes: The changes.
            provided: The values of the hooks' parameters that FastAPI provides.
            session: The session.
            run: Runs Core statements on it.
        """
        await run(partial(self.writer.lock, changes=changes))
        if changes.kind == "delete":
            deleted = await self.delete(changes.changes, provided, session, run)
            return [], [("delete", arguments) for arguments in deleted]
        rows: list[Any] = []
        committed: list[Committed] = []
        for change in changes.changes:
            resolved: Change | UpsertedRow = change
            if change.conflict is not None:
                resolved = await run(partial(self.writer.upserts.resolve, change=change))
            if isinstance(resolved, UpsertedRow):  # kept as it is
                rows.append(resolved)
                continue
            row, arguments = await self.write_row(resolved, provided, session, run)
            if changes.is_upsert:
                row = UpsertedRow.of(row, created=resolved.kind == "create")
            rows.append(row)
            committed.append((resolved.kind, arguments))
        return rows, committed

    async def delete(
        self,
        changes: Sequence[Change],
        provided: Provided,
        session: AsyncSession,
        run: RunStatements,
        located: Located = nullcontext,
    ) -> list[Arguments]:
        """Delete rows, and return the arguments of hooks after the commit.

        Args:
            changes: The rows.
            provided: The values of the hooks' parameters that FastAPI provides.
            session: The session.
            run: Runs Core statements on it.
            located: Gives the errors of a row its location, by its key.
        """
        # One DELETE for all rows: those deleted by a cascade still exist for their hooks.
        for change in changes:
            with located(change.key):
                # Before the hooks, since their errors could reveal a row outside the scope.
                await run(partial(self.writer.rows.lock_current, change=change))
                arguments = await self._arguments("before", change, session)
                await self.hooks.run("before", "delete", session, arguments, provided)
        await session.flush()
        with located(changes[0].key):
            await run(
                partial(self.writer.delete, changes=ChangeSet("delete", changes, changes[0].scopes))
            )
        for change in changes:
            with located(change.key):
                await self.hooks.run("after", "delete", session, {"key": change.key}, provided)
        return [{"key": change.key} for change in changes]

    async def write_row(
        self,
        change: Change,
        provided: Provided,
        session: AsyncSession,
        run: RunStatements,
        *,
        reader: BodyReader | None = None,
        checks_scope: bool = True,
    ) -> tuple[Any, Arguments]:
        """Create or update a row, and return it and the arguments of hooks after the commit.

        Args:
            change: The write.
            provided: The values of the hooks' parameters that FastAPI provides.
            session: The session.
            run: Runs Core statements on it.
            reader: The reader of the body; that of a create by default.
            checks_scope: Whether to check the condition of the scope; if not, the caller does.
        """
        rows, kind = self.writer.rows, change.kind
        if kind == "update":
            # Before the hooks, since their errors could reveal a row outside the scope.
            await run(partial(rows.lock_current, change=change))
        arguments = await self._arguments("before", change, session)
        await self.hooks.run("before", kind, session, arguments, provided)
        await session.flush()
        if kind == "create":
            complete(
                change,
                reader or change.reader or self.table_context.create,
                self.table_context.name,
            )
        has_after_hooks = bool(self.hooks.at("after", kind))
        checks_now = checks_scope and not has_after_hooks
        row = await run(partial(rows, change=change, checks_scope=checks_now))
        change.key = rows.key_of(row)
        arguments = await self._arguments("after", change, session)
        if not has_after_hooks:
            return row, arguments
        await self.hooks.run("after", kind, session, arguments, provided)
        await session.flush()

        def current(connection: Connection) -> Any:
            # Only now: a hook may have brought the row into its scope, as by a membership.
            if checks_scope:
                rows.check_scope(connection, row, change.scopes)
            return rows.render_if_may_fail(rows.current(connection, change.key, change.scopes))

        return await run(current) or row, arguments

    async def _arguments(self, moment: Moment, change: Change, session: AsyncSession) -> Arguments:
        """The arguments of hooks; the row is read if one of them asks for it."""
        arguments = {"values": change.values, "key": change.key, "body": change.body}
        later: tuple[Moment, ...] = ("before",) if moment == "before" else ("after", "committed")
        hooks = [hook for name in later for hook in self.hooks.at(name, change.kind)]
        if any(hook.asks_for("row") for hook in hooks):
            model = self.table_context.shape.model
            arguments["row"] = await session.get(model, change.key, populate_existing=True)
        return arguments


def complete(change: Change, reader: BodyReader, name: str) -> None:
    """Validate a new row whose remaining columns hooks or a relation have set.

    Args:
        change: The create.
        reader: The reader of its body.
        name: The name of the model.

    Raises:
        ModelError: The hooks have not set a required column.
        QueryError: The model does not accept the row.
    """
    set_by_scope = change.scopes.values(reader.shape.table)
    unset = [column for column in reader.unset_columns if column not in set_by_scope]
    missing = [column for column in unset if change.values.get(column) is None]
    if missing:
        raise ModelError(
            f"The hooks before a create have not set {missing[0]} of {name}, which is required "
            f"and not in the body."
        )
    values = {**set_by_scope, **change.values}
    if unset or (reader.omitted and not reader.has_model_rules):
        validated = reader.validated(values)
        change.values = reader.checked({column: validated[column] for column in change.values})
    elif reader.omitted:
        # Its schema has validated each value, and must not do so twice.
        empty: Values = dict.fromkeys(reader.shape.columns)
        change.values = RowValidator(reader).changes(empty, values)
