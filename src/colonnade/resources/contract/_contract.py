"""``Contract``: how a Resource answers, where an existing API dictates it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from pydantic import BaseModel

from colonnade.errors import ModelError, QueryError
from colonnade.query import (
    DEFAULT_LIMIT,
    MAX_ROWS,
    NO_ALIASES,
    OPTIONS,
    PageReader,
    QueryableTable,
    did_you_mean,
)
from colonnade.resources.contract._envelope import Envelope
from colonnade.writes import RejectedError

TotalHeader = Literal["X-Total-Count", "Content-Range"]
"""A header with the number of all rows."""

NO_STATUSES: Mapping[str, int] = MappingProxyType({})
"""The default statuses of all operations."""

MAX_LIMIT = 1000
"""The maximum number of rows in a page and in a batch, if a Resource sets no other."""

UNREACHABLE = 409
"""The status of a foreign key to a row that does not exist, if a Resource sets no other."""

_STATUSES: dict[str, tuple[int, ...]] = {
    "create": (201, 200),
    "update": (200, 204),
    "delete": (200, 204),
    "link": (200, 204),
}
"""The statuses of each operation; the first is the default."""

_UNREACHABLE_STATUSES = (400, 403, 404, 409, 422)


@dataclass(frozen=True, slots=True)
class Contract:
    """How a Resource answers, where an existing API dictates it.

    Attributes:
        max_limit: The maximum number of rows in a page and in a batch.
        default_limit: The number of rows in a page if the request sets no limit.
        default_order_by: The order of a list if the request sets none; None for the key.
        query_aliases: Other names of the parameters of a list.
        envelope: The object around the rows of a list; None for a bare array.
        total_header: The header with the number of all rows; None if only requests ask for it.
        statuses: The statuses of successful operations that are not the default.
        unreachable: The status of a foreign key to a row that does not exist or is out of scope.
    """

    max_limit: int = MAX_LIMIT
    default_limit: int = DEFAULT_LIMIT
    default_order_by: str | None = None
    query_aliases: Mapping[str, str] = field(default_factory=dict)
    envelope: Envelope | None = None
    total_header: TotalHeader | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    unreachable: int = UNREACHABLE

    @property
    def counts(self) -> bool:
        """Whether every list counts its rows."""
        return self.total_header is not None or (self.envelope is not None and self.envelope.counts)

    @property
    def count_header(self) -> TotalHeader:
        """The header with the number of all rows, if they are counted."""
        return self.total_header or "X-Total-Count"

    @property
    def has_absolute_links(self) -> bool:
        """Whether links to other pages are absolute URLs."""
        return self.envelope is not None and self.envelope.is_absolute

    @property
    def has_cursors(self) -> bool:
        """Whether lists have the cursors of other pages in their envelope."""
        return self.envelope is not None and self.envelope.has_cursors

    def status_of(self, operation: Literal["create", "update", "delete", "link"]) -> int:
        """Return the status of a successful operation."""
        return self.statuses.get(operation, _STATUSES[operation][0])

    def reader(
        self,
        queryable: QueryableTable,
        *,
        options: frozenset[str] = OPTIONS,
        filters: bool = True,
        is_main: bool = False,
    ) -> PageReader:
        """Return the reader of the query strings of a list.

        Args:
            queryable: The table of the rows.
            options: The allowed parameters besides filters.
            filters: Whether filters are allowed.
            is_main: Whether it is the list of the table itself, not that of a relation or tree.

        Raises:
            ModelError: A page without parameters could have too many rows, or ``default_order_by``
                or ``query_aliases`` does not fit the read schema.
        """
        try:
            reader = PageReader(
                queryable,
                max_limit=self.max_limit,
                default_limit=self.default_limit,
                always_counts=self.counts,
                options=options,
                filters=filters,
                default_order_by=self.default_order_by if is_main else None,
                aliases=self.query_aliases if is_main else NO_ALIASES,
            )
        except QueryError as error:
            is_alias = error.errors[0]["type"] == "alias"
            argument = "query_aliases" if is_alias else "default_order_by"
            why = str(error.errors[0]["msg"]).rstrip(".")
            raise ModelError(
                f"{argument}: {why}. It must fit {queryable.read.__name__}, and the read schema of "
                "every role."
            ) from None
        is_chosen = reader.default_limit > DEFAULT_LIMIT or queryable.has_chosen_limits
        if is_chosen and reader.default_rows > MAX_ROWS:
            raise ModelError(
                f"A list of {queryable.shape.model.__name__} could return {reader.default_rows:,} "
                f"rows with those of its relations, and the maximum is {MAX_ROWS:,}. Choose a "
                f"smaller default_limit than {reader.default_limit}, or a smaller max_length of "
                "the lists in its schema."
            )
        return reader


def contract_of(
    *,
    max_limit: int | None,
    default_limit: int | None,
    default_order_by: str | None,
    query_aliases: Mapping[str, str],
    envelope: type[BaseModel] | None,
    total_header: TotalHeader | None,
    statuses: Mapping[str, int],
    unreachable: int,
    upserts: bool,
) -> Contract:
    """Build the contract from the arguments of a Resource.

    Args:
        max_limit: The maximum number of rows in a page and in a batch; None for the default.
        default_limit: The number of rows in a page by default; None for all, up to ``max_limit``.
        default_order_by: The order of a list by default; None for the key.
        query_aliases: Other names of the parameters of a list.
        envelope: The class of the object around the rows.
        total_header: The header with the number of all rows.
        statuses: The statuses of successful operations.
        unreachable: The status of a foreign key to a row that does not exist.
        upserts: Whether the Resource has upserts, whose status says what happened.

    Raises:
        ModelError: An argument is not valid.
    """
    _refuse_statuses(statuses, upserts=upserts)
    if not isinstance(default_order_by, str | None):
        raise ModelError(
            f'default_order_by must be text such as "-created_at,name", not {default_order_by!r}.'
        )
    if total_header is not None and total_header not in get_args(TotalHeader):
        raise ModelError(
            f"total_header must be X-Total-Count or Content-Range, not {total_header!r}."
            f"{did_you_mean(str(total_header), get_args(TotalHeader))}"
        )
    if unreachable not in _UNREACHABLE_STATUSES:
        known = ", ".join(map(str, _UNREACHABLE_STATUSES))
        raise ModelError(
            f"unreachable must be the status of a refused request ({known}), not {unreachable!r}."
        )
    return Contract(
        MAX_LIMIT if max_limit is None else max_limit,
        _default_limit(default_limit, max_limit),
        default_order_by,
        dict(query_aliases),
        None if envelope is None else Envelope(envelope),
        total_header,
        dict(statuses),
        unreachable,
    )


def answered_with(error: Exception, unreachable: int) -> Exception:
    """Return an error with the status of a contract, if it is about an unreachable row.

    Args:
        error: The error of a request.
        unreachable: The status of a foreign key to a row that does not exist or is out of scope.
    """
    if unreachable == UNREACHABLE or getattr(error, "kind", "") != "foreign_key":
        return error
    assert isinstance(error, RejectedError)
    return RejectedError(
        unreachable, error.detail, kind=error.kind, errors=error.errors, headers=error.headers
    )


def _default_limit(default_limit: int | None, max_limit: int | None) -> int:
    maximum = MAX_LIMIT if max_limit is None else max_limit
    if maximum < 1:
        raise ModelError(f"max_limit must be at least 1, not {maximum}")
    if default_limit is None and max_limit is None:
        raise ModelError(
            "default_limit=None lists all rows up to max_limit, which is not set. Set it to the "
            "most rows that a list may have, such as max_limit=5000: a longer list ends there, "
            "with a link to the next page."
        )
    if default_limit is None:
        return maximum
    if default_limit == DEFAULT_LIMIT:  # which most Resources do not set
        return min(default_limit, maximum)
    if not 1 <= default_limit <= maximum:
        raise ModelError(
            f"default_limit must be from 1 to max_limit ({maximum}), or None for max_limit, not "
            f"{default_limit}."
        )
    return default_limit


def _refuse_statuses(statuses: Mapping[str, int], *, upserts: bool) -> None:
    for operation, status in statuses.items():
        allowed = _STATUSES.get(operation)
        if allowed is None:
            raise ModelError(
                f"statuses names {operation!r}, whose status cannot be chosen. Use "
                f"{', '.join(_STATUSES)}.{did_you_mean(str(operation), _STATUSES)}"
            )
        if status not in allowed:
            raise ModelError(
                f"statuses has {status!r} for {operation}. Use "
                f"{' or '.join(map(str, sorted(allowed)))}."
            )
    if upserts and statuses.get("create", 201) != 201:
        raise ModelError(
            'statuses has 200 for create, and operations names "upsert", whose status says whether '
            "the row was created (201) or changed (200). Leave one of them out."
        )
