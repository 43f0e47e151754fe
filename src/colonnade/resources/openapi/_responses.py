"""The responses of generated routes in the OpenAPI document."""

from typing import Any, Literal

from pydantic import (
    BaseModel,
)

from colonnade.resources.responses._bodies import NO_CONTENT
from colonnade.resources.responses._problems import MEDIA_TYPE, ProblemDetails

_DESCRIPTIONS = {
    403: "Outside your scope",
    404: "Row not found",
    409: "Conflict with stored rows: a unique value, a foreign key, a cycle",
    412: "If-Match does not match the current version of the row",
    413: "The body is too large",
    422: "The request is not valid",
    503: "The database is busy or unavailable",
}

_PROBLEM = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}

_HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "The row's version and view", "schema": {"type": "string"}},
    "Location": {"description": "The URL of the row", "schema": {"type": "string"}},
    "Link": {"description": "The next and previous pages", "schema": {"type": "string"}},
    "X-Total-Count": {
        "description": "The total number of rows, if they are counted",
        "schema": {"type": "integer"},
    },
    "Content-Range": {
        "description": "The positions of the rows, and the total number: tasks 0-24/319",
        "schema": {"type": "string"},
    },
}


_UNREACHABLE = "a foreign key refers to a row that does not exist or is outside your scope"


class Deleted(BaseModel):
    """The response to a deletion."""

    ok: Literal[True] = True


def responses(
    *statuses: int, success: int = 200, headers: tuple[str, ...] = (), description: str = "Done"
) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route: success and the problems."""
    if success == NO_CONTENT:
        description = "Done"
    documented: dict[int | str, dict[str, Any]] = {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
        }
        for status in (*statuses, 422, 503)
    }
    # One problem has the model, which adds its schema to the document for all of them.
    documented[503]["model"] = ProblemDetails
    documented[success] = {
        "description": description,
        "headers": {name: _HEADERS[name] for name in headers},
    }
    return documented


def with_unreachable(
    documented: dict[int | str, dict[str, Any]], status: int
) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a write whose foreign keys have another status than 409.

    Args:
        documented: The responses by status.
        status: The status of a foreign key to a row that does not exist or is out of scope.
    """
    conflict = documented.get(409)
    if status == 409 or conflict is None:
        return documented
    description = _UNREACHABLE.capitalize()
    if status in documented:
        description = f"{documented[status]['description']}; or {_UNREACHABLE}"
    others = conflict["description"].replace(" a foreign key,", "")
    return {
        **documented,
        409: {**conflict, "description": others},
        status: {**conflict, "description": description},
    }


def created_response(rows: Any) -> dict[int | str, dict[str, Any]]:
    """Return the response with a created row, besides that with a changed one."""
    headers = {name: _HEADERS[name] for name in ("Location", "ETag")}
    return {201: {"description": "The created row", "headers": headers, "model": rows}}


def changed_response(rows: Any, *, many: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the response of an upsert that changed or kept a row, besides that of a create.

    Args:
        rows: The documented row or rows.
        many: Whether it is the response of a batch.
    """
    if many:
        return {200: {"description": "The rows, some of them changed or kept", "model": rows}}
    headers = {"ETag": _HEADERS["ETag"]}
    return {200: {"description": "The changed or kept row", "headers": headers, "model": rows}}
