"""``problems``: one error format for a whole app."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException

from colonnade.errors import DatabaseError, error_entry
from colonnade.resources._fastapi_compat import BODY_ERROR
from colonnade.resources.responses._problems import Problem, response_of
from colonnade.writes import client_rejection_of


def problems(app: FastAPI) -> None:
    """Answer every error of an app with a problem (RFC 9457), not only those of its Resources.

    This covers ``HTTPException``, request validation, the constraints of the database (409, and 422
    for a CHECK), values that no column can hold (422), a database that is busy or unavailable
    (503), and uncaught exceptions, whose details are not revealed (500).

    Args:
        app: The app. Exception handlers that you add to it later replace these.

    Examples:
        ```python
        from fastapi import FastAPI, HTTPException
        from fastapi.testclient import TestClient

        from colonnade import problems

        app = FastAPI()
        problems(app)


        @app.get("/report")
        def report() -> None:
            raise HTTPException(404, "There is no report yet.")


        response = TestClient(app).get("/report")
        print(response.headers["content-type"])  # application/problem+json
        print(response.json()["detail"])  # There is no report yet.
        ```
    """

    async def on_http(request: Request, error: Exception) -> Response:
        return response_of(_unreadable_body(error) or error)

    async def on_database(request: Request, error: Exception) -> Response:
        rejection = client_rejection_of(error)
        if rejection is None:
            raise error
        return response_of(rejection)

    async def on_crash(request: Request, error: Exception) -> Response:
        return response_of(Problem(500, "Internal server error.", kind="internal"))

    app.add_exception_handler(StarletteHTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_http)
    app.add_exception_handler(SQLAlchemyError, on_database)
    app.add_exception_handler(DatabaseError, on_database)
    app.add_exception_handler(Exception, on_crash)


def _unreadable_body(error: Exception) -> Exception | None:
    """Return the validation error for a body that is not UTF-8, too deep or has a huge number.

    FastAPI responds to such a body with a 400; a Resource responds with a 422, as to all invalid
    bodies.
    """
    cause = error.__cause__
    is_unreadable = isinstance(error, StarletteHTTPException) and error.detail == BODY_ERROR
    if not is_unreadable or not isinstance(cause, ValueError | RecursionError):
        return None
    why = "the text is not UTF-8" if isinstance(cause, UnicodeDecodeError) else str(cause)
    entry = error_entry("json_invalid", ("body",), f"Invalid JSON: {why}")
    return RequestValidationError([entry])
