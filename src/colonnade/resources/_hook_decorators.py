"""``HookDecorators``: the decorators that register the hooks of a Resource."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from colonnade.errors import ModelError
from colonnade.query import did_you_mean
from colonnade.writes import Hooks, Moment, WriteKind

HookT = TypeVar("HookT", bound=Callable[..., Any])


class HookDecorators:
    """Registers functions to call around the writes of a Resource."""

    _hooks: Hooks

    def before(self, operation: WriteKind) -> Callable[[HookT], HookT]:
        """Register a function to call before a write, in its transaction.

        The function declares what it needs as parameters: ``session``; ``values``, a dict by field,
        which it may change; ``body``, the validated create or update schema; before an update or a
        delete also ``key``, a tuple, and ``row``, the row as it is, locked. Other parameters are
        those of an endpoint: a ``Request``, ``Header()``, ``Depends()``. If the transaction is
        retried, the function runs again.

        Args:
            operation: ``create``, ``update`` or ``delete``.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function asks for something that does not exist before the write.
        """
        return self._hook("before", operation)

    def after(self, operation: WriteKind) -> Callable[[HookT], HookT]:
        """Register a function to call after a write, in its transaction.

        The parameters may be ``session``, ``row``, ``key``, ``values`` and ``body`` (after a
        delete only ``session`` and ``key``), and those of an endpoint.

        Args:
            operation: ``create``, ``update`` or ``delete``.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function asks for something that does not exist after the write.
        """
        return self._hook("after", operation)

    def committed(self, operation: WriteKind) -> Callable[[HookT], HookT]:
        """Register a function to call once after the commit of a write, to send mail for example.

        The parameters may be ``row``, ``key`` and ``body`` (after a delete only ``key``), and those
        of an endpoint. If the function raises, the error is logged with the key of the row, and the
        response does not change. If the process stops between the commit and the call, the function
        is not called: write a row to an outbox table in ``after`` if it must happen.

        Args:
            operation: ``create``, ``update`` or ``delete``.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function asks for something that does not exist after the commit.
        """
        return self._hook("committed", operation)

    def _hook(self, moment: Moment, operation: WriteKind) -> Callable[[HookT], HookT]:
        if operation not in get_args(WriteKind):
            raise ModelError(
                f"Unknown operation {operation!r} for a hook. Use create, update or delete."
                f"{did_you_mean(str(operation), get_args(WriteKind))}"
            )

        def add(hook: HookT) -> HookT:
            self._hooks.add(moment, operation, hook)
            return hook

        return add
