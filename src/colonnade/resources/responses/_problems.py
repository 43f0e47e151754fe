"""Problems: error responses in the format of RFC 9457."""

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
from colonnade.writes import RejectedError, path_text

MEDIA_TYPE = "application/problem+json"
MAX_TEXT = 300
"""Maximum length of a part of the request in an error response, in characters."""


class ProblemError(BaseModel):
    """One error in a request."""

    loc: list[str | int] = Field(
        default=[], description="The location of the error: body, query, path or header."
    )
    field: str = Field(default="", description="The name of the field.")
    constraint: str = Field(default="", description="The violated constraint.")
    message: str


class ProblemDetails(BaseModel):
    """An error response in the format of RFC 9457."""

    type: str = Field(description="The kind of problem.")
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []


class Problem(RejectedError, HTTPException):  # noqa: N818  # the name of RFC 9457
    """An error response. Outside of a Resource, FastAPI treats it like any HTTPException.

    Args:
        status_code: The status of the response.
        detail: A message for people.
        kind: The kind of the problem, for programs: the last part of its ``type``.
        errors: The fields and constraints that the problem is about.
        headers: Additional headers of the response.

    Examples:
        ```python
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from colonnade import Problem, problems

        app = FastAPI()
        problems(app)


        @app.post("/tasks/{key}/start")
        def start(key: int) -> None:
            raise Problem(409, "The task has already been started.", kind="started")


        response = TestClient(app).post("/tasks/1/start")
        print(response.status_code, response.json()["type"])  # 409 urn:colonnade:started
        ```
    """

    @classmethod
    def of(cls, error: RejectedError) -> "Problem":
        """Return the error response of a write that is not carried out."""
        if isinstance(error, cls):
            return error
        return cls(
            error.status_code,
            error.detail,
            kind=error.kind,
            errors=error.errors,
            headers=error.headers,
        )


def response_of(error: Exception) -> Response:
    """Return the response to an error."""
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    if isinstance(error, QueryError):
        return _invalid(error.errors)
    if isinstance(error, RejectedError):
        return _response(error.status_code, error.detail, error.kind, error.errors, error.headers)
    if isinstance(error, StarletteHTTPException):
        return _response(error.status_code, str(error.detail), "", (), error.headers)
    raise error


def _truncate(part: Any) -> Any:
    if isinstance(part, str) and len(part) > MAX_TEXT:
        return f"{part[: MAX_TEXT - 1]}…"
    return part


def _invalid(errors: Iterable[Mapping[str, Any]]) -> Response:
    all_errors = list(errors)
    entries = [_error_entry(error) for error in all_errors[:MAX_ERRORS]]
    first = entries[0] if entries else {"message": "The request is not valid"}
    where = path_text(first.get("loc", ()))
    detail = f"{where}: {first['message']}" if where else first["message"]
    if len(all_errors) > 1:
        detail += (
            f" (and {'at least ' * (len(all_errors) >= MAX_ERRORS)}{len(all_errors) - 1} more)"
        )
    return _response(422, detail, "invalid", entries, None)


def _error_entry(error: Mapping[str, Any]) -> dict[str, Any]:
    """Build an entry of ``errors`` without the input, which may be secret."""
    loc = [_truncate(part) for part in error.get("loc", ())]
    names = [part for part in loc[1:] if isinstance(part, str)]
    entry: dict[str, Any] = {"loc": loc}
    if names:
        entry["field"] = names[-1]
    entry["constraint"] = error.get("type", "")
    entry["message"] = _truncate(error.get("msg", ""))
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
