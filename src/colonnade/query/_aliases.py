"""Other names of query parameters, as an existing API has them."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from colonnade.errors import QueryError, error_entry
from colonnade.query._path_reader import PathError
from colonnade.query._queryable_tables import did_you_mean

NO_ALIASES: Mapping[str, str] = MappingProxyType({})
"""No other names."""


def check_aliases(
    aliases: Mapping[str, str], knows: Callable[[str], bool], names: Collection[str]
) -> None:
    """Check that each alias is a new name of a parameter.

    Args:
        aliases: The parameter for each alias.
        knows: Whether a parameter exists. It may raise a ``PathError`` that says what is wrong.
        names: The names of parameters, for suggestions.

    Raises:
        QueryError: A parameter does not exist, or the alias is itself one.
    """
    errors = []
    for alias, name in aliases.items():
        message = None
        try:
            if not knows(name):
                message = f"{alias!r} is an alias of {name!r}, which is not a parameter."
                message += did_you_mean(name, names)
        except PathError as error:
            message = f"{alias!r} is an alias of {name!r}, which is not a parameter: {error}"
        if message is None and _is_taken(alias, knows):
            message = f"{alias!r} is a parameter, and cannot be an alias of {name!r}"
        if message is not None:
            errors.append(error_entry("alias", ("query", alias), message))
    if errors:
        raise QueryError(errors)


def _is_taken(alias: str, knows: Callable[[str], bool]) -> bool:
    try:
        return knows(alias)
    except PathError:  # it begins with a field: requests get this message, not the alias
        return True


class AliasedQuery:
    """A query string whose aliases are replaced by the names of the parameters.

    Args:
        query: The decoded names and values, in order.
        aliases: The parameter for each alias.

    Attributes:
        pairs: The names and values, without aliases.
        used: The alias that the query has for a parameter.
    """

    def __init__(self, query: Sequence[tuple[str, str]], aliases: Mapping[str, str]) -> None:
        self.pairs = [(aliases.get(name, name), value) for name, value in query]
        self.used = {aliases[name]: name for name, _ in query if name in aliases}
        self._aliases = aliases

    def url(self, url: str) -> str:
        """The URL without aliases: links to other pages replace parameters by their names.

        It keeps the parameters of endpoints and dependencies, which ``pairs`` lacks.
        """
        path, mark, query = url.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        named = [(self._aliases.get(name, name), value) for name, value in pairs]
        return f"{path}?{urlencode(named, quote_via=quote)}" if mark else url

    def named(self, error: QueryError) -> QueryError:
        """The error with the names that the client has used."""
        return QueryError([self._named(entry) for entry in error.errors])

    def _named(self, entry: dict[str, Any]) -> dict[str, Any]:
        loc: tuple[Any, ...] = tuple(entry["loc"])
        name = str(loc[1]) if len(loc) > 1 else ""
        alias = self.used.get(name)
        if loc[:1] != ("query",) or alias is None:
            return entry
        message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", alias, str(entry["msg"]))
        return {**entry, "loc": ("query", alias, *loc[2:]), "msg": message}
