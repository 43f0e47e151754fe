"""What is broken, and how it is mended again: each fault begins and ends under load."""

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psycopg

from tests.reliability.load import SLOTS_DEADLINE
from tests.reliability.proxy import Mode, Proxy
from tests.reliability.stack import Application
from tests.servers import Bouncer, Server


@dataclass
class Target:
    """Where a fault happens.

    Attributes:
        app: The application.
        chance: What random choices follow from.
        directory: Where there is room for files.
        servers: PostgreSQL, the primary first; none of them for SQLite.
        proxy: Between the application and the primary.
        bouncer: Between the application and the primary.
    """

    app: Application
    chance: random.Random
    directory: Path
    servers: list[Server] = field(default_factory=list)
    proxy: Proxy | None = None
    bouncer: Bouncer | None = None

    @property
    def primary(self) -> Server:
        """The server that takes writes."""
        return self.servers[0]


Act = Callable[[Target], Awaitable["list[str] | None"]]


@dataclass(frozen=True)
class Fault:
    """Something that breaks.

    Attributes:
        name: What it is called in the table.
        place: Where it happens: ``direct``, ``pooled``, ``failover``, ``replicas``
            or ``sqlite``.
        act: Breaks it, and mends it again; it may return what it saw itself that was wrong.
    """

    name: str
    place: str
    act: Act


FAULTS: list[Fault] = []


def fault(name: str, *places: str) -> Callable[[Act], Act]:
    """Register a fault."""

    def register(act: Act) -> Act:
        FAULTS.extend(Fault(name, place, act) for place in places)
        return act

    return register


async def off_loop(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run what blocks in a thread: the clients go on."""
    return await asyncio.to_thread(work, *arguments)


@fault("server killed (SIGKILL), started", "direct", "pooled")
async def kill_server(place: Target) -> None:
    await off_loop(place.primary.kill)
    await asyncio.sleep(place.chance.uniform(0.2, 1))
    await off_loop(place.primary.start)


@fault("server restarted", "direct", "pooled")
async def restart_server(place: Target) -> None:
    await off_loop(place.primary.stop)
    await off_loop(place.primary.start)


@fault("every connection cut", "direct", "pooled")
async def cut_connections(place: Target) -> None:
    assert place.proxy is not None
    for _ in range(5):
        place.proxy.cut()
        await asyncio.sleep(place.chance.uniform(0.05, 0.3))


@fault("connections ended by an administrator", "direct", "pooled")
async def terminate_connections(place: Target) -> None:
    for _ in range(5):
        await off_loop(
            place.primary.ask,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        await asyncio.sleep(place.chance.uniform(0.05, 0.3))


@fault("cut halfway through a request", "direct", "pooled")
async def cut_requests(place: Target) -> None:
    await _break(place, "cut_requests", every=place.chance.randrange(15, 40), seconds=2)


@fault("cut between commit and answer", "direct", "pooled")
async def cut_answers(place: Target) -> None:
    await _break(place, "cut_answers", every=place.chance.randrange(15, 40), seconds=2)


@fault("connections stalled, then cut", "direct")
async def stall_connections(place: Target) -> None:
    await _break(place, "stall", every=1, seconds=5)
    assert place.proxy is not None
    place.proxy.cut()


@fault("new connections refused", "direct")
async def refuse_connections(place: Target) -> None:
    assert place.proxy is not None
    place.proxy.set("refuse")
    place.proxy.cut()
    await asyncio.sleep(1.5)
    place.proxy.set("pass")


async def _break(place: Target, mode: Mode, every: int, seconds: float) -> None:
    assert place.proxy is not None
    place.proxy.set(mode, every)
    await asyncio.sleep(seconds)
    place.proxy.set("pass")


@fault("pool filled by a table that is locked", "direct")
async def lock_table(place: Target) -> None:
    async with _outsider(place) as connection:
        await connection.execute("BEGIN")
        await connection.execute("LOCK TABLE entry IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(3)
        await connection.execute("ROLLBACK")


@fault("lock queue behind an ALTER TABLE", "direct")
async def queue_for_locks(place: Target) -> None:
    async with _outsider(place) as holder, _outsider(place) as altering:
        await holder.execute("BEGIN")
        await holder.execute("SELECT * FROM entry LIMIT 1")
        alteration = asyncio.create_task(
            altering.execute("ALTER TABLE entry ALTER COLUMN worker SET NOT NULL")
        )
        await asyncio.sleep(3)
        await holder.execute("ROLLBACK")
        await alteration


@fault("no connection left (max_connections)", "direct")
async def take_connections(place: Target) -> None:
    async with AsyncExitStack() as held:
        first = await held.enter_async_context(_outsider(place))
        for _ in range(60):
            with suppress(psycopg.OperationalError):
                await held.enter_async_context(_outsider(place))
            # Whatever the application gives up is taken by somebody else.
            await first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND application_name <> 'outsider' LIMIT 1"
            )
        await asyncio.sleep(1.5)


@fault("PgBouncer killed, started", "pooled")
async def stop_bouncer(place: Target) -> None:
    assert place.bouncer is not None
    await off_loop(place.bouncer.stop)
    await asyncio.sleep(place.chance.uniform(0.2, 1))
    await off_loop(place.bouncer.start)


@fault("primary killed, standby promoted", "failover")
async def fail_over(place: Target) -> None:
    await off_loop(place.primary.kill)
    await asyncio.sleep(0.2)
    standbys = place.servers[1:]
    received = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')"
    # What was acknowledged is on one of them at least: the one that has most.
    positions = [(await off_loop(server.ask, received))[0][0] for server in standbys]
    chosen = standbys[positions.index(max(positions))]
    await off_loop(chosen.promote)
    await off_loop(chosen.ask, "ALTER SYSTEM SET synchronous_standby_names = ''")
    await off_loop(chosen.ask, "SELECT pg_reload_conf()")
    place.servers.remove(chosen)
    place.servers.insert(0, chosen)


@fault("replica killed, started", "replicas")
async def kill_replica(place: Target) -> None:
    for replica in place.servers[1:]:
        await off_loop(replica.kill)
        await asyncio.sleep(place.chance.uniform(0.2, 1))
        await off_loop(replica.start)


@fault("replicas stop applying, go on", "replicas")
async def pause_replicas(place: Target) -> None:
    for replica in place.servers[1:]:
        await off_loop(replica.ask, "SELECT pg_wal_replay_pause()")
    await asyncio.sleep(2)
    for replica in place.servers[1:]:
        await off_loop(replica.ask, "SELECT pg_wal_replay_resume()")


@fault("application killed (SIGKILL), started", "direct", "sqlite")
async def kill_application(place: Target) -> None:
    for _ in range(2):
        await asyncio.sleep(place.chance.uniform(0.05, 0.5))
        await off_loop(place.app.kill)
        place.app.start()
        await place.app.until_ready()


@fault("disk full", "sqlite")
async def fill_disk(place: Target) -> None:
    filler = place.directory / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    await asyncio.sleep(2)
    filler.unlink()


@fault("batches of the same rows at once", "direct", "pooled", "sqlite")
async def overlap_batches(place: Target) -> list[str]:
    """Each locks the rows in the order of their keys: none waits for one that waits for it."""
    async with httpx.AsyncClient(base_url=place.app.base, timeout=20) as client:
        created = await client.post("/slots:batch", json=[{}] * 20)
        keys = [row["id"] for row in created.json()]

        async def change(chance: random.Random) -> list[str]:
            wrong = []
            for _ in range(15):
                rows = [
                    {"id": key, chance.choice(["first", "second"]): 1}
                    for key in chance.sample(keys, 10)
                ]
                began = time.monotonic()
                answer = await client.patch("/slots:batch", json=rows)
                took = time.monotonic() - began
                if answer.status_code != 200 or took > SLOTS_DEADLINE:
                    wrong.append(f"PATCH /slots:batch: {answer.status_code} after {took:.1f} s")
            return wrong

        chances = [random.Random(place.chance.random()) for _ in range(4)]
        answers = await asyncio.gather(*(change(chance) for chance in chances))
    return [problem for wrong in answers for problem in wrong]


@fault("a lock that outlasts the deadline", "direct", "pooled", "sqlite")
async def outlast_deadline(place: Target) -> list[str]:
    """A request that waits for it is answered at its deadline; others do not wait."""
    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(base_url=place.app.base, timeout=20)
        await stack.enter_async_context(client)
        slot = (await client.post("/slots", json={})).headers["Location"]
        await stack.enter_async_context(_locked_slots(place))

        async def ask(method: str, path: str, status: int) -> list[str]:
            began = time.monotonic()
            body = {"first": 1} if method == "PATCH" else None
            answer = await client.request(method, path, json=body)
            took = time.monotonic() - began
            late = took > SLOTS_DEADLINE + 1
            wrong = late or answer.status_code != status
            return [f"{method} {path}: {answer.status_code} after {took:.1f} s"] if wrong else []

        waiting = [ask("PATCH", slot, 503) for _ in range(8)]
        answers = await asyncio.gather(*waiting, ask("GET", "/entries?limit=1", 200))
    return [problem for wrong in answers for problem in wrong]


@asynccontextmanager
async def _locked_slots(place: Target) -> AsyncIterator[None]:
    """Somebody else has locked the slots; on SQLite, the only lock."""
    if not place.servers:
        path = place.app.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield
        return
    async with _outsider(place) as connection, connection.transaction():
        await connection.execute("LOCK TABLE slot IN SHARE MODE")
        yield


@asynccontextmanager
async def _outsider(place: Target) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of somebody else's."""
    connection = await psycopg.AsyncConnection.connect(
        place.primary.url, autocommit=True, application_name="outsider"
    )
    try:
        yield connection
    finally:
        await connection.close()
