"""Break real servers under load and count lost writes: ``python -m tests.reliability``."""

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from colonnade import Database, text
from tests.reliability.faults import FAULTS, Environment, Fault
from tests.reliability.load import DEADLINE, Load, Record
from tests.reliability.proxy import proxied
from tests.reliability.report import write
from tests.reliability.stack import Application
from tests.servers import (
    PGBOUNCER,
    installed_postgresql,
    packaged_postgresql,
    pgbouncer,
    primary_with_standbys,
    running,
    server_directory,
    version_of,
)


@dataclass
class FaultSummary:
    """A line of the table: the results of a fault, of all its runs."""

    fault: str
    database: str
    times: int = 0
    requests: int = 0
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    longest_pause: float = 0.0
    slowest: float = 0.0


def main() -> int:
    """Run the faults; 0 if no write was lost or doubled and no response was wrong."""
    arguments = _arguments()
    lines: dict[tuple[str, str], FaultSummary] = {}
    failures: list[str] = []
    end = time.monotonic() + 60 * arguments.minutes
    round_number = 0
    while round_number == 0 or time.monotonic() < end:
        for kind, name, environment in _environments(arguments, round_number):
            faults = [fault for fault in FAULTS if fault.environment == kind]
            if arguments.only:
                faults = [fault for fault in faults if arguments.only in fault.name]
            if faults:
                failures += _run_faults(
                    name, environment, faults, arguments.seed + round_number, lines
                )
        round_number += 1
    if arguments.write:
        saved_lines = [asdict(line) for line in lines.values()]
        write({"seed": arguments.seed, "minutes": arguments.minutes, "lines": saved_lines})
    for failure in failures:
        print(f"✗ {failure}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument(
        "--minutes",
        type=float,
        default=0,
        help="repeat for this time; by default run each fault once",
    )
    parser.add_argument("--seed", type=int, default=1, help="the seed of random choices")
    parser.add_argument("--only", help="run only faults whose name contains this text")
    parser.add_argument(
        "--write", action="store_true", help="write the table of docs/reliability.md"
    )
    return parser.parse_args()


def _environments(
    arguments: argparse.Namespace, round_number: int
) -> Iterator[tuple[str, str, Environment]]:
    """Set up each environment in turn; its kind, its title and the environment."""
    installations = [
        path for path in (packaged_postgresql(), installed_postgresql()) if path is not None
    ]
    chance = random.Random(arguments.seed + round_number)
    for kind, (title, make) in MAKERS.items():
        # A single round runs "direct" on the newest PostgreSQL, and the others on the oldest.
        programs = (
            installations
            if arguments.minutes
            else installations[:1]
            if kind == "direct"
            else installations[-1:]
        )
        for path in programs:
            if kind == "pooled" and not Path(PGBOUNCER).exists():
                print("Skipping PgBouncer, which is not installed.", file=sys.stderr)
                continue
            with server_directory() as directory, ExitStack() as stack:
                environment = make(path, directory, chance, stack)
                yield kind, f"PostgreSQL {version_of(path)}, {title}", environment
    with server_directory() as directory, _small_disk(directory) as disk:
        app = Application(f"sqlite:///{disk}/app.db", directory / "app.log")
        yield "sqlite", "SQLite", Environment(app, chance, disk)


def _direct(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Environment:
    server = stack.enter_context(running(path, directory, "max_connections = 40"))
    proxy = stack.enter_context(proxied(server.port))
    app = Application(_by(server.url, proxy.port), directory / "app.log")
    return Environment(app, chance, directory, [server], proxy)


def _pooled(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Environment:
    server = stack.enter_context(running(path, directory))
    bouncer = stack.enter_context(pgbouncer(directory, server.port))
    proxy = stack.enter_context(proxied(bouncer.port))
    app = Application(_by(bouncer.url, proxy.port), directory / "app.log")
    return Environment(app, chance, directory, [server], proxy, bouncer)


def _failover(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Environment:
    servers = stack.enter_context(primary_with_standbys(path, directory))
    # Each acknowledged write is on two servers.
    servers[0].query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (one, two)'")
    servers[0].query("SELECT pg_reload_conf()")
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    app = Application(f"postgresql://me@{hosts}/postgres", directory / "app.log")
    return Environment(app, chance, directory, list(servers))


def _replicas(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Environment:
    servers = stack.enter_context(primary_with_standbys(path, directory))
    replicas = " ".join(server.url for server in servers[1:])
    app = Application(servers[0].url, directory / "app.log", REPLICAS=replicas)
    return Environment(app, chance, directory, servers)


Maker = Callable[[Path, Path, random.Random, ExitStack], Environment]

MAKERS: dict[str, tuple[str, Maker]] = {
    "direct": ("direct", _direct),
    "pooled": ("behind PgBouncer", _pooled),
    "failover": ("a primary and two synchronous standbys", _failover),
    "replicas": ("a primary and two replicas that are read", _replicas),
}


def _by(url: str, port: int) -> str:
    """The URL with another port."""
    return f"{url.rpartition(':')[0]}:{port}/postgres?sslmode=disable"


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 16 MB, or the directory itself if none can be mounted."""
    disk = directory / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield disk
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=False)


def _run_faults(
    name: str,
    environment: Environment,
    faults: list[Fault],
    seed: int,
    lines: dict[tuple[str, str], FaultSummary],
) -> list[str]:
    """Run faults one after another in an environment; the failures."""
    app = environment.app
    app.fill()
    app.start()
    failures: list[str] = []
    try:
        asyncio.run(app.until_ready())
        for number, fault in enumerate(faults):
            if fault.name == "disk full" and not environment.directory.is_mount():
                print("Skipping a full disk: cannot mount a small one.", file=sys.stderr)
                continue
            record = asyncio.run(_run_fault(fault, environment, seed * 100 + number))
            lost, doubled = _compare(app.url, record)
            line = lines.setdefault((fault.name, name), FaultSummary(fault.name, name))
            _add(line, record, lost, doubled)
            problems = [*record.wrong[:3]]
            problems += [f"lost {lost}"] if lost else []
            problems += [f"doubled {doubled}"] if doubled else []
            print(_line(line, record, lost, doubled, ok=not problems), flush=True)
            failures += [f"{fault.name} ({name}): {problem}" for problem in problems]
    finally:
        app.kill()
        if failures:
            print(environment.app.log.read_text(errors="replace")[-3000:], file=sys.stderr)
    return failures


async def _run_fault(fault: Fault, environment: Environment, seed: int) -> Record:
    """Run a fault under load; what the clients recorded."""
    load = Load(environment.app.base, seed)
    await load.start()
    await asyncio.sleep(0.7)
    load.record.wrong += await fault.run(environment) or []
    repaired = time.monotonic()
    while load.record.last_success < repaired:
        if time.monotonic() - repaired > DEADLINE:
            load.record.wrong.append(f"no service {DEADLINE} s after the fault ended")
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    return await load.stop()


def _compare(url: str, record: Record) -> tuple[int, int]:
    """The number of lost acknowledged writes, and of entries stored twice."""
    with closing(_StoredRows(url)) as rows:
        stored = rows.entries()
        values = rows.counters()
    lost = sum(1 for token in record.acknowledged if token not in stored)
    # A counter may be ahead of the last acknowledged value, but not of the last value sent.
    lost += sum(
        1 for index, (known, sent) in record.counters.items() if not known <= values[index] <= sent
    )
    for tokens in record.batches:
        stored_count = sum(token in stored for token in tokens)
        if stored_count not in {0, len(tokens)}:
            record.wrong.append(f"{stored_count} of {len(tokens)} entries of a batch are stored")
    sent = record.acknowledged | record.keyed
    return lost, sum(1 for token in sent if stored.get(token, 0) > 1)


class _StoredRows:
    """Reads the stored rows directly from the database."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)

    def entries(self) -> dict[UUID, int]:
        """The number of entries for each token."""
        with self._db.session() as session:
            rows = session.connection().execute(
                text("SELECT token, count(*) FROM entry GROUP BY token")
            )
            return {
                token if isinstance(token, UUID) else UUID(token): number for token, number in rows
            }

    def counters(self) -> dict[int, int]:
        """The value of each counter. The counters are set to 0 for the next fault."""
        with self._db.session() as session:
            rows = session.connection().execute(text("SELECT id, value FROM counter"))
            values = {number: int(value) for number, value in rows}
            session.connection().execute(text("UPDATE counter SET value = 0"))
            session.commit()
        return values

    def close(self) -> None:
        self._db.dispose()


def _add(line: FaultSummary, record: Record, lost: int, doubled: int) -> None:
    line.times += 1
    line.requests += record.requests
    line.acknowledged += record.statuses[200] + record.statuses[201]
    line.refused += record.statuses[503] + record.statuses[409] + record.statuses[0]
    line.lost += lost
    line.doubled += doubled
    line.wrong += len(record.wrong)
    line.longest_pause = round(max(line.longest_pause, record.longest_pause), 2)
    line.slowest = round(max(line.slowest, record.slowest), 2)


def _line(line: FaultSummary, record: Record, lost: int, doubled: int, *, ok: bool) -> str:
    statuses = " ".join(f"{status}:{count}" for status, count in sorted(record.statuses.items()))
    return (
        f"{'✓' if ok else '✗'} {line.fault:42} {line.database:60} {record.requests:5} requests, "
        f"{lost} lost, {doubled} doubled, pause {record.longest_pause:.1f} s, "
        f"slowest {record.slowest:.1f} s  [{statuses}]"
    )


if __name__ == "__main__":
    sys.exit(main())
