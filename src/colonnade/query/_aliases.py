"""Other names of query parameters, as an existing API has them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote, urlencode

from colonnade.errors import QueryError, error_entry
from colonnade.query._queryable_tables import did_you_mean

NO_ALIASES: Mapping[str, str] = MappingProxyType({})
"""No other names."""


def check_aliases(
    aliases: Mapping[str, str], knows: Callable[[str], bool], names: Collection[str]
) -> None:
    """Check that each alias is a new name of a parameter.

    Args:
        aliases: The parameter for each alias.
        knows: Whether a parameter exists.
        names: The names of parameters, for suggestions.

    Raises:
        QueryError: A parameter does not exist, or the alias is itself one.
    """
    errors = []
    for alias, name in aliases.items():
        if not knows(name):
            message = f"{alias!r} is an alias of {name!r}, which is not a parameter."
            errors.append(
                error_entry("alias", ("query", alias), message + did_you_mean(name, names))
            )
        elif knows(alias):
            message = f"{alias!r} is a parameter, and cannot be an alias of {name!r}"
            errors.append(error_entry("alias", ("query", alias), message))
    if errors:
        raise QueryError(errors)


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

    def url(self, url: str) -> str:
        """The URL with this query: links to other pages replace parameters by their names."""
        path, mark, _ = url.partition("?")
        return f"{path}?{urlencode(self.pairs, quote_via=quote)}" if mark else url

    def named(self, error: QueryError) -> QueryError:
        """The error with the names that the client has used."""
        entries = []
        for entry in error.errors:
            name = str(entry["loc"][-1])
            alias = self.used.get(name)
            if entry["loc"] == ("query", name) and alias is not None:
                message = str(entry["msg"]).replace(name, alias)
                entries.append({**entry, "loc": ("query", alias), "msg": message})
            else:
                entries.append(entry)
        return QueryError(entries)
