"""``RejectedError``: why a request is not carried out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class RejectedError(Exception):
    """A request that a rule or the database rejects. Resources answer it with a ``Problem``.

    It is no ``ColonnadeError``, since it says that the request is wrong, and not the program.

    Args:
        status_code: The HTTP status that describes it.
        detail: A message for people.
        kind: The kind of the problem, for programs.
        errors: The fields and constraints that it is about: see ``field_error``.
        headers: Headers of the response.
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
        Exception.__init__(self, status_code, detail)  # not super(): Problem has two bases
        self.status_code = status_code
        self.detail = detail
        self.kind = kind
        self.errors = errors
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status_code}: {self.detail}"


def field_error(
    loc: Sequence[str | int], field: str, constraint: str, message: str
) -> dict[str, Any]:
    """Build an entry of an error's ``errors``.

    Args:
        loc: The location of the field: ``("body", "title")``.
        field: Its name.
        constraint: The violated constraint.
        message: A message for people.
    """
    return {"loc": list(loc), "field": field, "constraint": constraint, "message": message}


def path_text(loc: Iterable[str | int]) -> str:
    """Return a location as text: ``body.tasks[3].title``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
