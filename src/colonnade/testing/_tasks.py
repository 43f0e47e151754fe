"""Tasks that a test leaves running."""

import asyncio
from typing import Any

PATIENCE = 1.0
"""Seconds that a task may still take to end once its test has."""


def running_tasks() -> set["asyncio.Task[Any]"]:
    """The tasks of the running event loop."""
    return asyncio.all_tasks()


async def left_running(before: set["asyncio.Task[Any]"]) -> list[str]:
    """End the tasks that were started since, and do not end by themselves.

    Args:
        before: The tasks there were.

    Returns:
        Which these were, a sentence each.
    """
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if not left:
        return []
    _, pending = await asyncio.wait(left, timeout=PATIENCE)
    lines = [_told(task) for task in pending]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return lines


def _told(task: "asyncio.Task[Any]") -> str:
    coroutine: Any = task.get_coro()
    stack = task.get_stack(limit=1)
    where = f", at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else ""
    return (
        f"It left a task running: {getattr(coroutine, '__qualname__', task.get_name())}{where}. "
        "Await it, or cancel it; what belongs to the app ends with its lifespan."
    )
