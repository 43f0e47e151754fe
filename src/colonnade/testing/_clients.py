"""HTTP clients of the app: ``client`` for sync tests, ``async_client`` for async ones."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from colonnade.testing._lifespans import Lifespan

if TYPE_CHECKING:
    import httpx2
    from anyio.from_thread import BlockingPortal

BASE_URL = "http://testserver"
"""The default of Starlette's TestClient."""


def sync_client(
    lifespan: Lifespan,
    portal: "BlockingPortal",
    before: Callable[[Any], None],
    after: Callable[[Any], None],
) -> TestClient:
    """A client for sync tests.

    Args:
        lifespan: The started app.
        portal: The event loop of the app.
        before: Called with each request.
        after: Called with each response.
    """
    client = TestClient(lifespan.app, base_url=BASE_URL)
    client.portal = portal  # as `with TestClient(app)` sets it: one event loop for all requests
    client.app_state.update(lifespan.state)
    client.event_hooks = {"request": [before], "response": [after]}
    return client


def async_client(
    lifespan: Lifespan,
    before: Callable[[Any], None],
    after: Callable[[Any], Awaitable[None]],
) -> "httpx2.AsyncClient":
    """A client for async tests.

    Args:
        lifespan: The app, which starts with the first request.
        before: Called with each request.
        after: Called with each response.
    """
    import httpx2

    async def before_async(request: Any) -> None:
        before(request)

    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=lifespan),
        base_url=BASE_URL,
        headers={"user-agent": "testclient"},
        follow_redirects=True,
        event_hooks={"request": [before_async], "response": [after]},
    )
