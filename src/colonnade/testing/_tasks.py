"""Finds and cancels the asyncio tasks that a test leaves running."""

import asyncio
from typing import Any

GRACE_PERIOD = 1.0
"""Seconds that tasks have to end after their test."""


def running_tasks() -> set["asyncio.Task[Any]"]:
    """The tasks of the running event loop."""
    return asyncio.all_tasks()


async def cancel_leftover_tasks(before: set["asyncio.Task[Any]"]) -> list[str]:
    """Cancel the tasks of this event loop that were started since and do not end by themselves.

    Args:
        before: The tasks that were running before.

    Returns:
        A sentence for each cancelled task.
    """
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if not left:
        return []
    _, pending = await asyncio.wait(left, timeout=GRACE_PERIOD)
    leaks = [_leak(task) for task in pending]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return leaks


def _leak(task: "asyncio.Task[Any]") -> str:
    coroutine: Any = task.get_coro()
    stack = task.get_stack(limit=1)
    where = f", at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else ""
    return (
        f"It left a task running: {getattr(coroutine, '__qualname__', task.get_name())}{where}. "
        "Await it or cancel it. A task of the app must end with the app's lifespan."
    )
