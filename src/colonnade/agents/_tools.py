"""The tools: their names, what they say about themselves, and what they take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from colonnade.agents._answers import ToolError
from colonnade.agents._arguments import (
    AggregateArguments,
    Arguments,
    DescribeArguments,
    ExplainArguments,
    FindArguments,
    ReadArguments,
    WriteArguments,
)
from colonnade.writes import path_text

MAX_NAME = 300
"""Maximum length of a part of a call in an error, in characters."""

MAX_ERRORS = 10
"""Maximum number of errors that an answer lists."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Attributes:
        name: Its name.
        title: What people see.
        description: What agents read.
        arguments: What it takes.
        writes: Whether it changes rows.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    writes: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        schema: dict[str, Any] = without_titles(self.arguments.model_json_schema())
        return schema

    def parse(self, arguments: Mapping[str, Any]) -> Arguments:
        """Check the arguments of a call.

        Raises:
            ToolError: Some are missing, unknown or wrong.
        """
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: ValidationError) -> ToolError:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        known = ", ".join(self.arguments.model_fields)
        listed = [
            {"argument": path_text(each["loc"])[:MAX_NAME], "message": _message(each)[:MAX_NAME]}
            for each in errors[:MAX_ERRORS]
        ]
        first = f"{listed[0]['argument']}: {listed[0]['message']}"
        return ToolError(f"{first}. {self.name} takes {known}.", errors=listed)


def _message(error: Mapping[str, Any]) -> str:
    is_unknown = error["type"] == "extra_forbidden"
    return "unknown argument" if is_unknown else str(error["msg"])


def without_titles(schema: Any) -> Any:
    """A schema without the titles that Pydantic derives from names, which only take space."""
    if isinstance(schema, list):
        return [without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


TOOLS = (
    Tool(
        "describe",
        "Describe tables",
        "List the tables that you may read, in brief, or describe some in detail: fields, types, "
        "filters, relations and what may be written. Call it before any other tool.",
        DescribeArguments,
    ),
    Tool(
        "find",
        "Find rows",
        "Find rows of a table by filters, sorted, a page at a time. Filters may cross relations. "
        "Name `fields` to keep the answer short.",
        FindArguments,
    ),
    Tool(
        "read",
        "Read a row",
        "Read one row by its primary key, or the rows of one of its relations.",
        ReadArguments,
    ),
    Tool(
        "aggregate",
        "Count and sum",
        "Group rows and count, sum or compare them in the database, also by month or by fields of "
        "related rows. Use it instead of reading rows to count them.",
        AggregateArguments,
    ),
    Tool(
        "write",
        "Write rows",
        "Create, change, delete and link rows of one or several tables: all changes are stored, or "
        "none. By default it is a dry run, which shows the result and stores nothing.",
        WriteArguments,
        writes=True,
    ),
    Tool(
        "explain",
        "Explain a query",
        "Show how the database would read what `find` or `read` asks for: by an index, or by "
        "reading the whole table.",
        ExplainArguments,
    ),
)
