"""``RequestContext``: what the statements of one request run with, passed from call to call."""

from dataclasses import dataclass

from fastapi import Request

from colonnade.resources.routes._overrides import OverrideSession
from colonnade.resources.routes._shared_session import SharedSession

_KEY = "colonnade.request_context"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the statements of one request run with.

    Attributes:
        request: The request whose client may disconnect; None for an endpoint outside of a
            Resource, whose statements run to their end.
        session: The session that ``app.dependency_overrides`` provides; None to use the
            database's connections.
        outside: The request of an endpoint outside of a Resource, if it is known.
    """

    request: Request | None = None
    session: OverrideSession | None = None
    outside: Request | None = None

    def may_call_committed(self, *, waiting: bool) -> bool:
        """Whether a write has been committed, so that the hooks after the commit may run.

        Args:
            waiting: Whether there are such hooks.

        Raises:
            Problem: 409, the commit is that of several requests, for which hooks cannot wait.
        """
        if not isinstance(self.session, SharedSession):
            return True
        self.session.after_write(waiting=waiting)
        return False


NO_CONTEXT = RequestContext()
"""The context of an endpoint outside of a Resource."""


def set_context(request: Request, context: RequestContext) -> None:
    """Attach a context to a request, for the endpoint that FastAPI calls with it."""
    request.scope[_KEY] = context


def clear_context(request: Request) -> None:
    """Remove the context of a request that has been answered.

    The scope refers to the context, and the context to the request, which has the scope: without
    this, each request would wait for the garbage collector.
    """
    request.scope.pop(_KEY, None)


def context_of(request: Request) -> RequestContext:
    """Return the context of a request."""
    context: RequestContext = request.scope.get(_KEY, NO_CONTEXT)
    return context
