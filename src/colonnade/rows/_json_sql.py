"""Building JSON text out of SQL expressions."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Text, cast, func
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import Function

from colonnade.backends import Backend
from colonnade.query import quoted

JSONText = ColumnElement[str]

MAX_CONCATENATED = 200
"""The maximum number of pieces of text that one expression concatenates."""

MAX_OBJECT_MEMBERS = 60
"""The maximum number of members that SQLite's ``json_object`` creates: a function takes at most 127
arguments, or 100 in some builds before version 3.48 (https://sqlite.org/limits.html)."""


def json_argument(text: JSONText) -> ColumnElement[Any]:
    """The argument for SQLite's JSON functions: the plain value where ``text`` only quotes it."""
    if isinstance(text, Function):
        if text.name == "coalesce" and len(text.clauses) == 2:
            return json_argument(next(iter(text.clauses)))  # the functions write null for NULL
        if text.name == "json_quote":
            return next(iter(text.clauses))
        if text.name == "json":
            return text
    return func.json(text, type_=Text())


def json_object(texts: dict[str, JSONText], backend: Backend) -> JSONText:
    """The JSON object with these members, whose values are JSON texts."""
    if backend == "sqlite" and len(texts) <= MAX_OBJECT_MEMBERS:
        # Takes half the time of concatenation.
        arguments: list[ColumnElement[Any]] = []
        for name, text in texts.items():
            arguments += [quoted(name), json_argument(text)]
        return func.json_object(*arguments, type_=Text())
    pieces: list[str | JSONText] = ["{"]
    for index, (name, text) in enumerate(texts.items()):
        pieces += ["," * bool(index) + to_json(name).decode() + ":", text]
    return _concatenate_pieces([*pieces, "}"])


def json_array(texts: Sequence[JSONText], backend: Backend) -> JSONText:
    """The JSON array of these JSON texts."""
    if backend == "sqlite" and len(texts) <= MAX_OBJECT_MEMBERS:
        return func.json_array(*map(json_argument, texts), type_=Text())
    pieces: list[str | JSONText] = ["["]
    for index, text in enumerate(texts):
        pieces += [",", text] if index else [text]
    return _concatenate_pieces([*pieces, "]"])


def json_array_agg(texts: JSONText, backend: Backend, only: Any = None) -> Any:
    """The JSON array of the texts in the rows of a subquery, in order.

    Args:
        texts: The column of JSON texts.
        backend: The database.
        only: A condition for the rows to aggregate.
    """
    if backend == "postgresql":
        joined: Any = func.string_agg(texts, quoted(","), type_=Text())
    else:
        joined = func.group_concat(texts, quoted(","), type_=Text())
    if only is not None:
        joined = joined.filter(only)
    return quoted("[") + func.coalesce(joined, quoted(""), type_=Text()) + quoted("]")


def _concatenate_pieces(pieces: list[str | JSONText]) -> JSONText:
    """Concatenate literals and expressions, merging adjacent literals."""
    merged: list[str | JSONText] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return _concatenate([quoted(piece) if isinstance(piece, str) else piece for piece in merged])


def _concatenate(parts: list[JSONText]) -> JSONText:
    """Concatenate expressions.

    SQLite limits the depth of an expression to 1,000; each cast starts a new expression.
    """
    if len(parts) <= MAX_CONCATENATED:
        return reduce(add, parts)
    rows = range(0, len(parts), MAX_CONCATENATED)
    return _concatenate(
        [cast(_concatenate(parts[start : start + MAX_CONCATENATED]), Text()) for start in rows]
    )
