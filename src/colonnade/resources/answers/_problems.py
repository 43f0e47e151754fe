"""Problems: every error a resource answers with, as RFC 9457 has it."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException as StarletteHTTPException

from colonnade.errors import QueryError
from colonnade.rows import MAX_ERRORS

MEDIA_TYPE = "application/problem+json"
LONGEST_TEXT = 300
"""Characters of a wrong value that a problem repeats."""


class ProblemError(BaseModel):
    """One thing that went wrong in a request."""

    loc: list[str | int] = Field(default=[], description="Where: body, query, path or header.")
    field: str = Field(default="", description="The field it is about.")
    constraint: str = Field(default="", description="The constraint that was violated.")
    message: str


class ProblemDetails(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(description="What kind of problem it is.")
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []


class Problem(HTTPException):
    """An error of a request. Outside of a Resource, an app shows it as any HTTPException.

    Args:
        status_code: The status of the answer.
        detail: What went wrong, for a person.
        kind: What went wrong, for a program: the last part of the problem's ``type``.
        errors: Which fields and constraints it is about.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status_code: int,
        detail: str,
        *,
        kind: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status_code, detail, headers)
        self.kind = kind
        self.errors = errors


def field_error(
    loc: Sequence[str | int], field: str, constraint: str, message: str
) -> dict[str, Any]:
    """Build an entry of a problem's ``errors``: see ``ProblemError``."""
    return {"loc": list(loc), "field": field, "constraint": constraint, "message": message}


def response_of(error: Exception) -> Response:
    """The answer to an error."""
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    if isinstance(error, QueryError):
        return _invalid(error.errors)
    if isinstance(error, Problem):
        return _response(error.status_code, error.detail, error.kind, error.errors, error.headers)
    if isinstance(error, StarletteHTTPException):
        return _response(error.status_code, str(error.detail), "", (), error.headers)
    raise error


def _brief(part: Any) -> Any:
    if isinstance(part, str) and len(part) > LONGEST_TEXT:
        return f"{part[: LONGEST_TEXT - 1]}…"
    return part


def _invalid(errors: Iterable[Mapping[str, Any]]) -> Response:
    entries = list(errors)
    shown = [_told(error) for error in entries[:MAX_ERRORS]]
    first = shown[0] if shown else {"message": "The request is not valid"}
    where = ".".join(str(part) for part in first.get("loc", ()))
    detail = f"{where}: {first['message']}" if where else first["message"]
    if len(entries) > 1:
        detail += f" (and {'at least ' * (len(entries) >= MAX_ERRORS)}{len(entries) - 1} more)"
    return _response(422, detail, "invalid", shown, None)


def _told(error: Mapping[str, Any]) -> dict[str, Any]:
    """An error without the input, which may be secret."""
    loc = [_brief(part) for part in error.get("loc", ())]
    names = [part for part in loc[1:] if isinstance(part, str)]
    entry: dict[str, Any] = {"loc": loc}
    if names:
        entry["field"] = names[-1]
    entry["constraint"] = error.get("type", "")
    entry["message"] = _brief(error.get("msg", ""))
    return entry


def _response(
    status: int,
    detail: str,
    kind: str,
    errors: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str] | None,
) -> Response:
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    body: dict[str, Any] = {
        "type": f"urn:colonnade:{kind}" if kind else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    content = to_json(body, fallback=str, inf_nan_mode="null")
    return Response(content, status, dict(headers or {}), MEDIA_TYPE)
