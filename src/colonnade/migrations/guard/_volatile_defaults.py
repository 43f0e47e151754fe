"""Find volatile column defaults, such as ``random()``, for which PostgreSQL rewrites a table."""

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

_EXTENSION_FUNCTIONS = frozenset((
    "gen_random_bytes", "gen_random_uuid", "uuid_generate_v1", "uuid_generate_v1mc",
    "uuid_generate_v4",
))  # fmt: skip
"""Volatile functions of extensions, which the server may not know yet when it is asked: the same
revision may create the extension."""

_NOT_CODE = re.compile(
    r"""
    (?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'  # a string with backslash escapes
    | '(?:[^']|'')*'  # a string
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$  # a dollar-quoted string
    | --[^\n]*  # a comment
    | /\*.*?\*/
    """,
    re.DOTALL | re.VERBOSE,
)
_CALL = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\W\d][\w$]*))\s*\(')


def called_functions(expression: str) -> set[str]:
    """The names before a parenthesis in a SQL expression, as PostgreSQL stores them.

    These are the functions that it calls, without their schemas, and keywords and types such as
    ``CAST`` or ``varchar(5)``.
    """
    code = _NOT_CODE.sub(" ", expression)
    return {
        call["plain"].lower() if call["plain"] else call["quoted"].replace('""', '"')
        for call in _CALL.finditer(code)
    }


def is_volatile(column: sa.Column[Any], connection: Connection) -> bool:
    """Whether PostgreSQL evaluates the default of a new column for each row.

    Args:
        column: The column.
        connection: The database, which knows the volatility of its functions.
    """
    default = column.server_default
    if isinstance(default, sa.Identity | sa.Sequence | sa.Computed):
        return True
    expression = getattr(default, "arg", None)
    if not isinstance(expression, sa.ClauseElement):  # a string is a literal value
        return False
    sql = expression.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    functions = called_functions(str(sql))
    if functions & _EXTENSION_FUNCTIONS:
        return True
    query = "SELECT FROM pg_proc WHERE proname = ANY(:names) AND provolatile = 'v'"
    return bool(connection.scalar(sa.text(f"SELECT EXISTS ({query})"), {"names": list(functions)}))
