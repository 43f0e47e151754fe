"""The faults, which begin and end under load."""

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
class Environment:
    """The application and the servers that a fault affects.

    Attributes:
        app: The application.
        chance: The random number generator.
        directory: A directory for files.
        servers: The PostgreSQL servers, the primary first; empty for SQLite.
        proxy: A proxy between the application and the primary.
        bouncer: PgBouncer between the application and the primary.
    """

    app: Application
    chance: random.Random
    directory: Path
    servers: list[Server] = field(default_factory=list)
    proxy: Proxy | None = None
    bouncer: Bouncer | None = None

    @property
    def primary(self) -> Server:
        """The server that accepts writes."""
        return self.servers[0]


Run = Callable[[Environment], Awaitable["list[str] | None"]]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: Its name in the table.
        environment: The kind of its environment: ``direct``, ``pooled``, ``failover``,
            ``replicas`` or ``sqlite``.
        run: Causes the fault and ends it. It may return wrong responses that it got itself.
    """

    name: str
    environment: str
    run: Run


FAULTS: list[Fault] = []


def fault(name: str, *environments: str) -> Callable[[Run], Run]:
    """Register a fault."""

    def register(run: Run) -> Run:
        FAULTS.extend(Fault(name, environment, run) for environment in environments)
        return run

    return register


async def off_loop(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run blocking code in a thread, so that the clients continue."""
    return await asyncio.to_thread(work, *arguments)


@fault("server killed (SIGKILL), started", "direct", "pooled")
async def kill_server(environment: Environment) -> None:
    await off_loop(environment.primary.kill)
    await asyncio.sleep(environment.chance.uniform(0.2, 1))
    await off_loop(environment.primary.start)


@fault("server restarted", "direct", "pooled")
async def restart_server(environment: Environment) -> None:
    await off_loop(environment.primary.stop)
    await off_loop(environment.primary.start)


@fault("every connection cut", "direct", "pooled")
async def cut_connections(environment: Environment) -> None:
    assert environment.proxy is not None
    for _ in range(5):
        environment.proxy.cut()
        await asyncio.sleep(environment.chance.uniform(0.05, 0.3))


@fault("connections ended by an administrator", "direct", "pooled")
async def terminate_connections(environment: Environment) -> None:
    for _ in range(5):
        await off_loop(
            environment.primary.query,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        await asyncio.sleep(environment.chance.uniform(0.05, 0.3))


@fault("cut halfway through a request", "direct", "pooled")
async def cut_requests(environment: Environment) -> None:
    await _break(environment, "cut_requests", every=environment.chance.randrange(15, 40), seconds=2)


@fault("cut between commit and answer", "direct", "pooled")
async def cut_answers(environment: Environment) -> None:
    await _break(environment, "cut_answers", every=environment.chance.randrange(15, 40), seconds=2)


@fault("connections stalled, then cut", "direct")
async def stall_connections(environment: Environment) -> None:
    await _break(environment, "stall", every=1, seconds=5)
    assert environment.proxy is not None
    environment.proxy.cut()


@fault("new connections refused", "direct")
async def refuse_connections(environment: Environment) -> None:
    assert environment.proxy is not None
    environment.proxy.set("refuse")
    environment.proxy.cut()
    await asyncio.sleep(1.5)
    environment.proxy.set("pass")


async def _break(environment: Environment, mode: Mode, every: int, seconds: float) -> None:
    assert environment.proxy is not None
    environment.proxy.set(mode, every)
    await asyncio.sleep(seconds)
    environment.proxy.set("pass")


@fault("pool filled by a table that is locked", "direct")
async def lock_table(environment: Environment) -> None:
    async with _outsider(environment) as connection:
        await connection.execute("BEGIN")
        await connection.execute("LOCK TABLE entry IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(3)
        await connection.execute("ROLLBACK")


@fault("lock queue behind an ALTER TABLE", "direct")
async def queue_for_locks(environment: Environment) -> None:
    async with _outsider(environment) as holder, _outsider(environment) as altering:
        await holder.execute("BEGIN")
        await holder.execute("SELECT * FROM entry LIMIT 1")
        alteration = asyncio.create_task(
            altering.execute("ALTER TABLE entry ALTER COLUMN worker SET NOT NULL")
        )
        await asyncio.sleep(3)
        await holder.execute("ROLLBACK")
        await alteration


@fault("no connection left (max_connections)", "direct")
async def take_connections(environment: Environment) -> None:
    async with AsyncExitStack() as held:
        first = await held.enter_async_context(_outsider(environment))
        for _ in range(60):
            with suppress(psycopg.OperationalError):
                await held.enter_async_context(_outsider(environment))
            # Other clients take the connections that the application loses.
            await first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND application_name <> 'outsider' LIMIT 1"
            )
        await asyncio.sleep(1.5)


@fault("PgBouncer killed, started", "pooled")
async def stop_bouncer(environment: Environment) -> None:
    assert environment.bouncer is not None
    await off_loop(environment.bouncer.stop)
    await asyncio.sleep(environment.chance.uniform(0.2, 1))
    await off_loop(environment.bouncer.start)


@fault("primary killed, standby promoted", "failover")
async def fail_over(environment: Environment) -> None:
    await off_loop(environment.primary.kill)
    await asyncio.sleep(0.2)
    standbys = environment.servers[1:]
    received = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')"
    # Acknowledged writes are on at least one standby: the one with the highest position.
    positions = [(await off_loop(server.query, received))[0][0] for server in standbys]
    chosen = standbys[positions.index(max(positions))]
    await off_loop(chosen.promote)
    await off_loop(chosen.query, "ALTER SYSTEM SET synchronous_standby_names = ''")
    await off_loop(chosen.query, "SELECT pg_reload_conf()")
    environment.servers.remove(chosen)
    environment.servers.insert(0, chosen)


@fault("replica killed, started", "replicas")
async def kill_replica(environment: Environment) -> None:
    for replica in environment.servers[1:]:
        await off_loop(replica.kill)
        await asyncio.sleep(environment.chance.uniform(0.2, 1))
        await off_loop(replica.start)


@fault("replicas stop applying, go on", "replicas")
async def pause_replicas(environment: Environment) -> None:
    for replica in environment.servers[1:]:
        await off_loop(replica.query, "SELECT pg_wal_replay_pause()")
    await asyncio.sleep(2)
    for replica in environment.servers[1:]:
        await off_loop(replica.query, "SELECT pg_wal_replay_resume()")


@fault("application killed (SIGKILL), started", "direct", "sqlite")
async def kill_application(environment: Environment) -> None:
    for _ in range(2):
        await asyncio.sleep(environment.chance.uniform(0.05, 0.5))
        await off_loop(environment.app.kill)
        environment.app.start()
        await environment.app.until_ready()


@fault("disk full", "sqlite")
async def fill_disk(environment: Environment) -> None:
    filler = environment.directory / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    await asyncio.sleep(2)
    filler.unlink()


@fault("batches of the same rows at once", "direct", "pooled", "sqlite")
async def overlap_batches(environment: Environment) -> list[str]:
    """Batches lock rows in the order of their keys, so they cannot deadlock."""
    async with httpx.AsyncClient(base_url=environment.app.base, timeout=20) as client:
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
                response = await client.patch("/slots:batch", json=rows)
                took = time.monotonic() - began
                if response.status_code != 200 or took > SLOTS_DEADLINE:
                    wrong.append(f"PATCH /slots:batch: {response.status_code} after {took:.1f} s")
            return wrong

        chances = [random.Random(environment.chance.random()) for _ in range(4)]
        results = await asyncio.gather(*(change(chance) for chance in chances))
    return [problem for wrong in results for problem in wrong]


@fault("a lock that outlasts the deadline", "direct", "pooled", "sqlite")
async def outlast_deadline(environment: Environment) -> list[str]:
    """A request that waits for the lock is answered at its deadline; others do not wait."""
    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(base_url=environment.app.base, timeout=20)
        await stack.enter_async_context(client)
        slot = (await client.post("/slots", json={})).headers["Location"]
        await stack.enter_async_context(_locked_slots(environment))

        async def request(method: str, path: str, status: int) -> list[str]:
            began = time.monotonic()
            body = {"first": 1} if method == "PATCH" else None
            response = await client.request(method, path, json=body)
            took = time.monotonic() - began
            late = took > SLOTS_DEADLINE + 1
            wrong = late or response.status_code != status
            return [f"{method} {path}: {response.status_code} after {took:.1f} s"] if wrong else []

        waiting = [request("PATCH", slot, 503) for _ in range(8)]
        results = await asyncio.gather(*waiting, request("GET", "/entries?limit=1", 200))
    return [problem for wrong in results for problem in wrong]


@asynccontextmanager
async def _locked_slots(environment: Environment) -> AsyncIterator[None]:
    """Lock the slots from another connection; on SQLite, the whole database."""
    if not environment.servers:
        path = environment.app.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield
        return
    async with _outsider(environment) as connection, connection.transaction():
        await connection.execute("LOCK TABLE slot IN SHARE MODE")
        yield


@asynccontextmanager
async def _outsider(environment: Environment) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of another client."""
    connection = await psycopg.AsyncConnection.connect(
        environment.primary.url, autocommit=True, application_name="outsider"
    )
    try:
        yield connection
    finally:
        await connection.close()
