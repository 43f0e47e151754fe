"""The response with a page: a bare array, or the envelope of its Resource."""

from typing import Any

from fastapi import Response

from colonnade.query import Page
from colonnade.resources._page_links import Neighbors, link_header
from colonnade.resources.contract._contract import Contract
from colonnade.resources.contract._envelope_fields import Meaning
from colonnade.resources.responses._bodies import JSONBody
from colonnade.resources.routes._names import path_of


def page_response(
    contract: Contract,
    page: Page,
    body: bytes,
    neighbors: Neighbors,
    selected: int,
    total: int | None,
) -> Response:
    """Build the response with a page.

    Args:
        contract: How the Resource answers.
        page: The page.
        body: The JSON array of its rows.
        neighbors: The pages around it.
        selected: The number of selected rows, one more than fits the page if there are more.
        total: The number of all rows; None if they are not counted.
    """
    links, cursors = neighbors
    headers = link_header(links)
    if total is not None:
        headers |= _total_header(contract, page, selected, total)
    if contract.envelope is not None:
        values: dict[Meaning, Any] = {
            "total": total,
            "next": links.get("next"),
            "previous": links.get("prev"),
            "next_cursor": cursors.get("next"),
            "previous_cursor": cursors.get("prev"),
            "has_more": "next" in links,
            "limit": page.limit,
            "offset": None if page.position is not None else page.offset,
        }
        body = contract.envelope.render(body, values)
    return JSONBody(body, 200, headers)


def _total_header(contract: Contract, page: Page, selected: int, total: int) -> dict[str, str]:
    if contract.total_header != "Content-Range":
        return {"X-Total-Count": str(total)}
    shown = min(selected, page.limit)
    rows = "*"  # the position of a page by cursor is not known
    if shown and page.position is None:
        rows = f"{page.offset}-{page.offset + shown - 1}"
    unit = path_of(page.queryable.shape.model.__name__)
    return {"Content-Range": f"{unit} {rows}/{total}"}
