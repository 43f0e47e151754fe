"""Who may use a connection, when there are fewer than clients."""

import asyncio
import time

import pytest

from colonnade.database.connections._connection_limiter import ConnectionLimiter


async def hold(turns: ConnectionLimiter, seconds: float, turns_taken: list[bool]) -> None:
    has_turn = await turns.take()
    turns_taken.append(has_turn)
    await asyncio.sleep(seconds)
    if has_turn:
        turns.give()


def outcome(turns: ConnectionLimiter, seconds: float, clients: int) -> list[bool]:
    turns_taken: list[bool] = []

    async def together() -> None:
        await asyncio.gather(*(hold(turns, seconds, turns_taken) for _ in range(clients)))

    asyncio.run(together())
    return turns_taken


def test_while_statements_end_all_wait_however_many_they_are() -> None:
    assert (
        outcome(ConnectionLimiter(2), 0.005, clients=100) == [True] * 100
    )  # a quarter of a second


def test_when_none_ends_nobody_waits_any_more() -> None:
    assert outcome(ConnectionLimiter(2), 0.5, clients=5) == [True, True, False, False, False]


def test_a_loop_that_is_held_up_is_no_sign_that_nothing_ends() -> None:
    turns, turns_taken = ConnectionLimiter(1), list[bool]()

    async def held_up() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(hold(turns, 0.01, turns_taken))
            group.create_task(hold(turns, 0, turns_taken))
            await asyncio.sleep(0)
            time.sleep(0.2)  # noqa: ASYNC251 - that is the case

    asyncio.run(held_up())
    assert turns_taken == [True, True]


def test_without_a_limit_nobody_waits() -> None:
    assert outcome(ConnectionLimiter(0), 0.01, clients=50) == [True] * 50


@pytest.mark.parametrize("is_given", [False, True])
def test_a_turn_that_is_waited_for_in_vain_is_not_lost(is_given: bool) -> None:
    turns = ConnectionLimiter(1)

    async def cancelled() -> bool:
        assert await turns.take()
        waiting = asyncio.ensure_future(turns.take())
        await asyncio.sleep(0)
        if is_given:
            turns.give()  # to one who is cancelled before it can know
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not is_given:
            turns.give()
        return await asyncio.wait_for(turns.take(), 1)

    assert asyncio.run(cancelled())
