"""The scope of a request that is made in process: that of another one, with another path.

So whatever the application's middleware found out about the request, such as the user of a session,
holds here as well.
"""

from starlette.types import Message, Scope

from colonnade.resources.in_process._served_tables import ServedTable

_OF_THE_ROUTE = (
    "endpoint",
    "fastapi",
    "fastapi_function_astack",
    "fastapi_inner_astack",
    "path_params",
    "route",
    "router",
)
"""What FastAPI and Starlette have added to the scope for the route of the first request."""


def api_scope(scope: Scope, table: ServedTable, below: str) -> Scope:
    """The scope of the request to a Resource.

    Args:
        scope: The scope of the first request.
        table: The table.
        below: The path below that of the Resource.
    """
    return in_process_scope(scope, f"{path_of_table(scope, table)}{below}")


def in_process_scope(scope: Scope, path: str) -> Scope:
    """The scope of the first request with another path, without what is only about its route.

    Args:
        scope: The scope of the first request.
        path: The other path.
    """
    others = {key: value for key, value in scope.items() if key not in _OF_THE_ROUTE}
    others = {key: value for key, value in others.items() if not key.startswith("colonnade.")}
    if "state" in others:  # what one request leaves there is not for the next
        others["state"] = dict(others["state"])
    return {**others, "path": path, "raw_path": path.encode(), "path_params": {}}


def path_of_table(scope: Scope, table: ServedTable) -> str:
    """The path of a Resource in the application that the first request has reached."""
    return f"{root_in_path(scope)}{table.path}"


async def receive_nothing() -> Message:
    """The ``receive`` of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def root_in_path(scope: Scope) -> str:
    """What the path of the scope begins with if the application is mounted below it."""
    root = str(scope.get("root_path", ""))
    return root if str(scope["path"]).startswith(f"{root}/") else ""
