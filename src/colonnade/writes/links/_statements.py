"""The statements that link and unlink two rows."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, literal_column, select

from colonnade.database import Bound, Plan
from colonnade.models import Shape
from colonnade.query import VALUE_PREFIX, Scopes, value_parameter
from colonnade.rows import ReturnedRow
from colonnade.writes._changes import Values
from colonnade.writes.links._changes import LinkChange
from colonnade.writes.links._tables import LinkTable
from colonnade.writes.rules._foreign_keys import Reference
from colonnade.writes.statements._inserts import upsert
from colonnade.writes.statements._upsert_statements import automatic_updates, update_parameters


class LinkStatements:
    """The links of one relation.

    Args:
        link: The link table.
    """

    def __init__(self, link: LinkTable) -> None:
        self._link = link
        self._table = link.table

    def link(self, change: LinkChange) -> Bound[Any]:
        """Build the INSERT that updates an existing link.

        It returns the link as ``body``, and no row if one of the two rows is out of scope, or if
        the link exists outside its scope.
        """
        references = self.references(change)
        names, updated = tuple(change.values), self._updated(change)
        structure = ("link", names, updated, tuple(reference.names for reference in references))
        plan = self._plan(structure, change, lambda: self._link_plan(change, updated, references))
        parameters = self.parameters(change)
        if updated and self._link.shape is not None:
            parameters |= update_parameters(self._link.shape)
        return plan.first(parameters)

    def unlink(self, change: LinkChange) -> Bound[Any]:
        """Build the DELETE, which returns a row if it has deleted a link."""
        return self._plan(("unlink",), change, lambda: self._unlink_plan(change.scopes)).first(
            self.parameters(change)
        )

    def existing(self, scopes: Scopes) -> Select[Any]:
        """Build the SELECT of two flags: whether each of the rows exists inside its scope."""
        return select(
            self._link.source_side.exists_clause(scopes).label("source"),
            self._link.target_side.exists_clause(scopes).label("target"),
        )

    def writable(self, scopes: Scopes) -> ColumnElement[bool]:
        """Build the condition that selects the link if the request may write it."""
        return and_(
            self._link.clause(),
            self._link.source_side.exists_clause(scopes),
            self._link.target_side.exists_clause(scopes),
            *scopes.write_clauses(self._table, self._table),
        )

    def stored(self, scopes: Scopes) -> Select[Any]:
        """Build the SELECT of the link that the request may read."""
        link: Select[Any] = select(literal_column("1")).select_from(self._table)
        return link.where(self._link.clause(), *scopes.clauses(self._table, self._table))

    def reachable(
        self, change: LinkChange, references: list[Reference]
    ) -> list[ColumnElement[bool]]:
        """Build the conditions that foreign keys refer to rows inside their scopes."""
        foreign_keys = self._link.foreign_keys
        if foreign_keys is None:
            return []
        return foreign_keys.reachable_clauses(
            references, self._values(change), change.scopes, VALUE_PREFIX
        )

    def references(self, change: LinkChange) -> list[Reference]:
        """Return the foreign keys to check, besides those to the two rows."""
        foreign_keys = self._link.foreign_keys
        if foreign_keys is None:
            return []
        return foreign_keys.to_check(
            self._values(change),
            change.scopes,
            creating=True,
            already_checked=self._link.key_fields,
        )

    def parameters(self, change: LinkChange) -> Values:
        """The values of the parameters for the link, the two rows and the scopes."""
        values = {
            value_parameter(self._link.column(name).column): value
            for name, value in self._values(change).items()
        }
        keys = self._link.parameters(change.source, change.target)
        return {**values, **keys, **dict(change.scopes.binds())}

    def _values(self, change: LinkChange) -> Values:
        return {**change.values, **self._link.key_values(change.source, change.target)}

    def _updated(self, change: LinkChange) -> tuple[str, ...]:
        """The fields that an existing link gets."""
        return tuple(
            name
            for name in change.values
            if name in change.updated and not self._link.column(name).frozen
        )

    def _plan(
        self, structure: tuple[Any, ...], change: LinkChange, make: Callable[[], Plan]
    ) -> Plan:
        scope = change.scopes.structure
        key = None if scope is None else (*structure, self._link.relation.name, scope)
        return self._link.table_context.plans.get(key, make)

    def _link_plan(
        self, change: LinkChange, updated: tuple[str, ...], references: list[Reference]
    ) -> Plan:
        link, scopes = self._link, change.scopes
        backend = link.table_context.backend
        row = self._new_link(change)
        exist = [side.exists_clause(scopes) for side in (link.source_side, link.target_side)]
        reachable = self.reachable(change, references)
        statement = upsert(self._table, backend).from_select(
            list(row), select(*row.values()).where(*exist, *reachable)
        )
        statement = statement.on_conflict_do_update(
            index_elements=[column.name for column in self._table.primary_key],
            set_=self._updates(updated, statement),
            where=next(scopes.write_clauses(self._table, self._table), None),
        )
        if link.view is None:
            return Plan(statement.returning(literal_column("1")))
        text = link.view.text(ReturnedRow(self._table), scopes, backend)
        return Plan(statement.returning(text.label("body")))

    def _new_link(self, change: LinkChange) -> dict[Any, Any]:
        """The values of a new link, by column."""
        link = self._link
        row = dict(zip(link.source_side.columns, link.source_side.binds(), strict=True))
        # A column that both keys share has the same value in both.
        for column, bind in zip(link.target_side.columns, link.target_side.binds(), strict=True):
            row.setdefault(column, bind)
        for name in change.values:
            column = link.column(name).column
            row[column] = bindparam(value_parameter(column), type_=column.type)
        return row

    def _updates(self, updated: tuple[str, ...], statement: Any) -> dict[str, Any]:
        """What an existing link gets, by column."""
        shape: Shape | None = self._link.shape
        if not updated or shape is None:
            # A no-op update, so that RETURNING includes an existing link.
            first = self._link.source_side.columns[0].key
            return {first: statement.excluded[first]}
        keys = [shape.columns[name].column.key for name in updated]
        return {
            **dict(automatic_updates(shape, statement)),
            **{key: statement.excluded[key] for key in keys},
        }

    def _unlink_plan(self, scopes: Scopes) -> Plan:
        statement: Any = delete(self._table).where(self.writable(scopes))
        return Plan(statement.returning(literal_column("1")))
