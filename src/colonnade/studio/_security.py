"""What protects the pages of Studio: headers, and the checks of requests that write."""

import secrets
from collections.abc import Mapping

from fastapi import HTTPException, Request, Response

CSRF_HEADER = "X-Studio-CSRF"
CSRF_COOKIE = "colonnade_studio_csrf"

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))

_COMMON: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

PAGE_HEADERS: Mapping[str, str] = {
    **_COMMON,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
"""Headers of the page and its files: no script, style or connection of another origin."""

DATA_HEADERS: Mapping[str, str] = {
    **_COMMON,
    # Who may see it depends on the dependencies of Studio, which may read anything of the request.
    "cache-control": "no-store",
    # A browser that opens a response as a page executes nothing in it.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
"""Headers of data."""


def refuse_other_origins(request: Request) -> None:
    """Refuse a request that a page of another origin makes.

    Raises:
        HTTPException: 403, another origin or another site made the request.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # Browsers set it, and no page can. A proxy may rewrite Host, but not this.
        is_same = site in {"same-origin", "none"}
    else:
        origin = request.headers.get("origin")
        is_same = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if not is_same:
        raise HTTPException(403, "Studio only answers requests that its pages send.")


def refuse_writes_without_token(request: Request) -> None:
    """Refuse a request that writes without the token that the page has been given.

    Another origin can make a browser send the cookie, but cannot read the token, and cannot send
    the header.

    Raises:
        HTTPException: 403, the token is missing, or is not that of the cookie.
    """
    if request.method in SAFE_METHODS:
        return
    cookie = request.cookies.get(CSRF_COOKIE, "")
    sent = request.headers.get(CSRF_HEADER, "")
    if not cookie or not secrets.compare_digest(cookie.encode(), sent.encode()):
        raise HTTPException(403, "The CSRF token is missing or has expired. Reload the page.")


def provide_token(request: Request, response: Response, path: str) -> str:
    """Return the token of a browser, which gets a new one if it has none.

    Args:
        request: The request.
        response: The response, which sets the cookie.
        path: The path of Studio, below which the browser sends the cookie.
    """
    token = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(32)
    response.set_cookie(
        CSRF_COOKIE,
        token,
        path=path,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return token
