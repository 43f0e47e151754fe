"""The connection limiter grants slots when there are fewer connections than clients."""

import asyncio
import time

import pytest

from colonnade.database.connections._connection_limiter import ConnectionLimiter


async def hold(limiter: ConnectionLimiter, seconds: float, outcomes: list[bool]) -> None:
    has_slot = await limiter.take()
    outcomes.append(has_slot)
    await asyncio.sleep(seconds)
    if has_slot:
        limiter.give()


def outcome(limiter: ConnectionLimiter, seconds: float, clients: int) -> list[bool]:
    outcomes: list[bool] = []

    async def together() -> None:
        await asyncio.gather(*(hold(limiter, seconds, outcomes) for _ in range(clients)))

    asyncio.run(together())
    return outcomes


def test_all_clients_wait_while_slots_are_released() -> None:
    # This takes a quarter of a second.
    assert outcome(ConnectionLimiter(2), 0.005, clients=100) == [True] * 100


def test_no_client_waits_when_no_slot_is_released() -> None:
    assert outcome(ConnectionLimiter(2), 0.5, clients=5) == [True, True, False, False, False]


def test_a_blocked_event_loop_does_not_count_as_a_stall() -> None:
    limiter, outcomes = ConnectionLimiter(1), list[bool]()

    async def held_up() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(hold(limiter, 0.01, outcomes))
            group.create_task(hold(limiter, 0, outcomes))
            await asyncio.sleep(0)
            time.sleep(0.2)  # noqa: ASYNC251 - blocks the loop on purpose

    asyncio.run(held_up())
    assert outcomes == [True, True]


def test_no_client_waits_without_a_limit() -> None:
    assert outcome(ConnectionLimiter(0), 0.01, clients=50) == [True] * 50


@pytest.mark.parametrize("is_released", [False, True])
def test_a_cancelled_wait_does_not_lose_the_slot(is_released: bool) -> None:
    limiter = ConnectionLimiter(1)

    async def cancelled() -> bool:
        assert await limiter.take()
        waiting = asyncio.ensure_future(limiter.take())
        await asyncio.sleep(0)
        if is_released:
            limiter.give()  # the waiter is cancelled before it notices
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not is_released:
            limiter.give()
        return await asyncio.wait_for(limiter.take(), 1)

    assert asyncio.run(cancelled())
