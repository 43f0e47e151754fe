"""What the tools of agents take: their arguments, checked before anything is read or written."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

MAX_ROWS = 100
"""Maximum number of rows in an answer, since all of them go into the context of a model."""

DEFAULT_ROWS = 20

MAX_CHANGES = 100
"""Maximum number of changes in one call."""

MAX_TEXT = 10_000
"""Maximum length of a text in a filter, in characters."""

MAX_VALUES = 100
"""Maximum number of values in a list of a filter."""


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("must be a text, a number, true or false")  # noqa: TRY004 - for Pydantic
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT:,} characters")
    return value


def _filter_value(value: Any) -> Any:
    if not isinstance(value, list):
        return _scalar(value)
    if len(value) > MAX_VALUES:
        raise ValueError(f"must have at most {MAX_VALUES} values")
    return [_scalar(each) for each in value]


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _scalar(each) for name, each in value.items()}
    return _scalar(value)


_SCALAR = {"type": ["string", "number", "boolean"]}
FilterValue = Annotated[
    Any,
    AfterValidator(_filter_value),
    WithJsonSchema({"type": ["string", "number", "boolean", "array"], "items": _SCALAR}),
]
_ASCII = "^[\\x20-\\x7e]+$"
"""What a header may contain."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(max_length=50)]
Key = Annotated[
    Any,
    AfterValidator(_key),
    WithJsonSchema({"type": ["string", "number", "object"], "additionalProperties": _SCALAR}),
    Field(
        description="A value such as 3, or an object if the key has several columns: "
        '{"team_id": 1, "user_id": 2}.'
    ),
]
Filters = Annotated[
    dict[Name, FilterValue],
    Field(
        max_length=50,
        description=(
            'Conditions that must all hold: {"status": "open", "due__lt": "2026-01-31T00:00:00Z", '
            '"title__icontains": "report", "id__in": [1, 2], "closed_at__is_null": true, '
            '"project__slug": "web"}. `describe` lists the `operators` of each field.'
        ),
    ),
]
Where = Annotated[
    dict[str, Any],
    Field(
        description='Conditions with and, or, not: {"or": [{"status": "open"}, {"hours__gt": 3}]}.'
    ),
]
Limit = Annotated[int, Field(ge=1, le=MAX_ROWS)] | None
Table = Annotated[Name, Field(description="A name from `describe`.")]


class Arguments(BaseModel):
    """The arguments of a tool. Unknown ones are errors."""

    model_config = ConfigDict(extra="forbid")


class DescribeArguments(Arguments):
    """The arguments of ``describe``."""

    tables: Names = Field(
        default=[], description="The tables to describe in detail; all in brief by default."
    )


class _Selection(Arguments):
    table: Table
    fields: Names = Field(default=[], description="The fields of a row; all by default.")
    include: Names = Field(
        default=[],
        description=(
            'Relations to add to each row: ["project"]; ["tasks:5"] adds at most 5; '
            '["tasks.count"] adds their number.'
        ),
    )


class FindArguments(_Selection):
    """The arguments of ``find``."""

    filters: Filters = {}
    where: Where | None = None
    order_by: Names = Field(default=[], description='["-created_at", "title"]; - is descending.')
    limit: Limit = Field(
        default=None, description=f"Maximum number of rows; {DEFAULT_ROWS} by default."
    )
    cursor: str | None = Field(default=None, description="`next` from the previous answer.")
    count: Literal["exact", "estimated"] | None = Field(
        default=None, description="Count all rows that match as well."
    )


class ReadArguments(_Selection):
    """The arguments of ``read``."""

    key: Key
    relation: Name | None = Field(
        default=None, description="Read the rows of this relation instead of the row."
    )
    limit: Limit = Field(
        default=None,
        description=f"With `relation`: the maximum number of rows, {DEFAULT_ROWS} by default.",
    )
    cursor: str | None = Field(
        default=None, description="With `relation`: `next` from the previous answer."
    )


class AggregateArguments(Arguments):
    """The arguments of ``aggregate``."""

    table: Table
    aggregate: Names = Field(
        default=["count"],
        description='["count", "hours.sum"]: count, count_distinct, sum, avg, min, max.',
    )
    group_by: Names = Field(
        default=[], description='["status", "project.slug", "created_at.month"].'
    )
    filters: Filters = {}
    where: Where | None = None
    having: Where | None = Field(
        default=None, description='Conditions on the groups: {"count__gt": 3}.'
    )
    order_by: Names = Field(
        default=[], description='Names from `group_by` or `aggregate`: ["-count"].'
    )
    tz: Name | None = Field(
        default=None, description="Time zone of buckets such as created_at.month: Europe/Berlin."
    )
    limit: Limit = Field(
        default=None, description=f"Maximum number of groups; {MAX_ROWS} by default."
    )
    cursor: str | None = Field(default=None, description="`next` from the previous answer.")


class ExplainArguments(FindArguments):
    """The arguments of ``explain``: those of ``find``, or a key."""

    key: Key | None = None


class _Change(Arguments):
    table: Table


class Create(_Change):
    """Create a row."""

    action: Literal["create"]
    values: dict[str, Any] = Field(
        description="The fields in `values.create` of `describe`, and related rows if a relation "
        "has `may_write_nested`."
    )


class Upsert(_Change):
    """Create a row, or change the row with the same unique value."""

    action: Literal["upsert"]
    on_conflict: Names = Field(min_length=1, description='The unique fields: ["slug"].')
    values: dict[str, Any]


class _OfRow(_Change):
    key: Key
    etag: str | None = Field(
        default=None,
        pattern=_ASCII,
        max_length=200,
        description="`etag` from `read`. The change is refused if the row has changed since.",
    )


class Update(_OfRow):
    """Change the fields in ``values`` of a row, and no others."""

    action: Literal["update"]
    values: dict[str, Any]


class Replace(_OfRow):
    """Create or replace the row with this key; fields that are left out get their defaults."""

    action: Literal["replace"]
    values: dict[str, Any]


class Delete(_OfRow):
    """Delete a row."""

    action: Literal["delete"]


class _OfLink(_Change):
    key: Key
    relation: Name
    target: Key


class Link(_OfLink):
    """Link two rows of a many-to-many relation."""

    action: Literal["link"]
    values: dict[str, Any] = Field(default={}, description="Fields of the link itself.")


class Unlink(_OfLink):
    """Remove a link."""

    action: Literal["unlink"]


Change = Annotated[
    Create | Upsert | Update | Replace | Delete | Link | Unlink, Field(discriminator="action")
]


class WriteArguments(Arguments):
    """The arguments of ``write``."""

    changes: list[Change] = Field(min_length=1, max_length=MAX_CHANGES)
    dry_run: bool = Field(
        default=True,
        description="Try the changes and store nothing. Pass false to store them.",
    )
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=_ASCII,
        description="For create and upsert: any text that is unique to this call. If the answer is "
        "lost, repeat the call with the same key; it is stored only once.",
    )
