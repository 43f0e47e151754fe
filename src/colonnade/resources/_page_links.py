"""Links from a page to the next and the previous page."""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode

from colonnade.query import Page

Direction = Literal["next", "prev"]

_ENCODED_NAME = re.compile(r"(?:^|&)[^=&]*%")
_POSITION_PARAMETERS = re.compile(r"(?:(?<=&)|^)(?:cursor|offset)=[^&]*&?")


class Neighbors(NamedTuple):
    """The pages around a page.

    Attributes:
        links: Their URLs.
        cursors: Their cursors; empty if no response has them.
    """

    links: Mapping[Direction, str]
    cursors: Mapping[Direction, str] = {}


def page_cursors(page: Page, row: Any) -> dict[Direction, str]:
    """Return the cursors of the pages around a page.

    Args:
        page: The page.
        row: The result of its statement.
    """
    if not row.found:
        return {}
    cursors: dict[Direction, str] = {}
    more = row.found > page.limit
    if page.backwards:
        cursors["next"] = page.cursor(row.first, backwards=False)
        if more:
            cursors["prev"] = page.cursor(row.last, backwards=True)
    else:
        if more:
            cursors["next"] = page.cursor(row.last, backwards=False)
        if page.position is not None or page.offset:
            cursors["prev"] = page.cursor(row.first, backwards=True)
    return cursors


def page_links(page: Page, row: Any) -> dict[Direction, str]:
    """Return the URLs of the pages around a page: by offset if the request has one, else by cursor.

    Args:
        page: The page.
        row: The result of its statement.
    """
    if not page.url:
        return {}
    if page.offset:
        return offset_links(page, row.found > page.limit)
    return {
        direction: _with_parameters(page.url, {"cursor": cursor})
        for direction, cursor in page_cursors(page, row).items()
    }


def offset_links(page: Page, more: bool) -> dict[Direction, str]:
    """Return the URLs of the pages around a page, by offset.

    Args:
        page: The page.
        more: Whether there is a next page.
    """
    links: dict[Direction, str] = {}
    if more:
        following = {"offset": str(page.offset + page.limit)}
        links["next"] = _with_parameters(page.url, following)
    if page.offset:
        before = {"offset": str(max(0, page.offset - page.limit))}
        links["prev"] = _with_parameters(page.url, before)
    return links


def link_header(links: Mapping[Direction, str]) -> dict[str, str]:
    """Return the Link header, if there is a link."""
    if not links:
        return {}
    return {"Link": ", ".join(f'<{url}>; rel="{direction}"' for direction, url in links.items())}


def _with_parameters(url: str, values: dict[str, str]) -> str:
    path, _, query = url.partition("?")
    rest = _POSITION_PARAMETERS.sub("", query).strip("&")
    if not _ENCODED_NAME.search(rest):
        # The values are cursors and numbers, which need no quoting.
        added = "&".join(f"{name}={value}" for name, value in values.items())
        return f"{path}?{rest}{'&' if rest else ''}{added}"
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] not in {"cursor", "offset"}]
    return f"{path}?{urlencode([*kept, *values.items()])}"
