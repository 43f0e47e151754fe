"""Bodies of requests, as bytes."""

from fastapi import Request

from colonnade.errors import QueryError


async def json_body(request: Request) -> bytes:
    """The body of a request that has to be JSON.

    Raises:
        QueryError: It is not said to be JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and not (kind == "application/json" or kind.endswith("+json")):
        message = "The body has to be JSON: Content-Type: application/json"
        loc = ("header", "content-type")
        raise QueryError([{"type": "content_type", "loc": loc, "msg": message, "input": kind}])
    return body
