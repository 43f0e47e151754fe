"""``problems``: one shape of errors for a whole app."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException

from colonnade.errors import DatabaseError
from colonnade.resources._failures import unavailable_of
from colonnade.resources._problems import Problem, response_of


def problems(app: FastAPI) -> None:
    """Have every error of an app answered as a problem, not those of its Resources alone.

    Covers ``HTTPException``, the validation of requests, a database that cannot be reached or has
    no time (503), and what is raised and not caught, of which nothing but the status is told.
    """

    async def on_http(request: Request, error: Exception) -> Response:
        return response_of(error)

    async def on_database(request: Request, error: Exception) -> Response:
        unavailable = unavailable_of(error)
        if unavailable is None:
            raise error
        return response_of(unavailable)

    async def on_crash(request: Request, error: Exception) -> Response:
        return response_of(Problem(500, "Something went wrong here.", kind="internal"))

    app.add_exception_handler(StarletteHTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_http)
    app.add_exception_handler(SQLAlchemyError, on_database)
    app.add_exception_handler(DatabaseError, on_database)
    app.add_exception_handler(Exception, on_crash)
