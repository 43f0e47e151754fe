"""Break real servers under load, and count what was lost: ``python -m tests.reliability``."""

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
from tests.reliability.faults import FAULTS, Fault, Target
from tests.reliability.load import DEADLINE, Load, Record
from tests.reliability.proxy import proxied
from tests.reliability.report import write
from tests.reliability.stack import Application
from tests.servers import (
    PGBOUNCER,
    bounced,
    followed,
    installed,
    packaged,
    running,
    version_of,
    workshop,
)


@dataclass
class Line:
    """A line of the table: one fault, all the times that it was tried."""

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
    """Run; 0 if nothing was lost, doubled or answered as it should not be."""
    arguments = _arguments()
    lines: dict[tuple[str, str], Line] = {}
    failures: list[str] = []
    end = time.monotonic() + 60 * arguments.minutes
    turn = 0
    while turn == 0 or time.monotonic() < end:
        for kind, name, place in _places(arguments, turn):
            faults = [fault for fault in FAULTS if fault.place == kind]
            if arguments.only:
                faults = [fault for fault in faults if arguments.only in fault.name]
            if faults:
                failures += _try_all(name, place, faults, arguments.seed + turn, lines)
        turn += 1
    if arguments.write:
        saved_lines = [asdict(line) for line in lines.values()]
        write({"seed": arguments.seed, "minutes": arguments.minutes, "lines": saved_lines})
    for failure in failures:
        print(f"✗ {failure}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0, help="go on for so long; else once")
    parser.add_argument("--seed", type=int, default=1, help="what random choices follow from")
    parser.add_argument("--only", help="faults with this in their names")
    parser.add_argument("--write", action="store_true", help="write docs/reliability's table")
    return parser.parse_args()


def _places(arguments: argparse.Namespace, turn: int) -> Iterator[tuple[str, str, Target]]:
    """Each place in turn, with the servers that are at hand: its kind, its title, itself."""
    programs_folder = [path for path in (packaged(), installed()) if path is not None]
    chance = random.Random(arguments.seed + turn)
    for kind, (title, make) in MAKERS.items():
        # Without time for all: what is direct on the newest, the rest on the oldest.
        programs = (
            programs_folder
            if arguments.minutes
            else programs_folder[:1]
            if kind == "direct"
            else programs_folder[-1:]
        )
        for path in programs:
            if kind == "pooled" and not Path(PGBOUNCER).exists():
                print("PgBouncer is not installed: left out", file=sys.stderr)
                continue
            with workshop() as directory, ExitStack() as stack:
                place = make(path, directory, chance, stack)
                yield kind, f"PostgreSQL {version_of(path)}, {title}", place
    with workshop() as directory, _small_disk(directory) as disk:
        app = Application(f"sqlite:///{disk}/app.db", directory / "app.log")
        yield "sqlite", "SQLite", Target(app, chance, disk)


def _direct(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Target:
    server = stack.enter_context(running(path, directory, "max_connections = 40"))
    proxy = stack.enter_context(proxied(server.port))
    app = Application(_by(server.url, proxy.port), directory / "app.log")
    return Target(app, chance, directory, [server], proxy)


def _pooled(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Target:
    server = stack.enter_context(running(path, directory))
    bouncer = stack.enter_context(bounced(directory, server.port))
    proxy = stack.enter_context(proxied(bouncer.port))
    app = Application(_by(bouncer.url, proxy.port), directory / "app.log")
    return Target(app, chance, directory, [server], proxy, bouncer)


def _failover(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Target:
    servers = stack.enter_context(followed(path, directory))
    # What is acknowledged is on two servers.
    servers[0].ask("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (one, two)'")
    servers[0].ask("SELECT pg_reload_conf()")
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    app = Application(f"postgresql://me@{hosts}/postgres", directory / "app.log")
    return Target(app, chance, directory, list(servers))


def _replicas(path: Path, directory: Path, chance: random.Random, stack: ExitStack) -> Target:
    servers = stack.enter_context(followed(path, directory))
    replicas = " ".join(server.url for server in servers[1:])
    app = Application(servers[0].url, directory / "app.log", REPLICAS=replicas)
    return Target(app, chance, directory, servers)


Maker = Callable[[Path, Path, random.Random, ExitStack], Target]

MAKERS: dict[str, tuple[str, Maker]] = {
    "direct": ("direct", _direct),
    "pooled": ("behind PgBouncer", _pooled),
    "failover": ("a primary and two synchronous standbys", _failover),
    "replicas": ("a primary and two replicas that are read", _replicas),
}


def _by(url: str, port: int) -> str:
    """A URL, by way of another port."""
    return f"{url.rpartition(':')[0]}:{port}/postgres?sslmode=disable"


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    """A file system that can be filled; the directory itself where none can be had."""
    disk = directory / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield disk
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=False)


def _try_all(
    name: str, place: Target, faults: list[Fault], seed: int, lines: dict[tuple[str, str], Line]
) -> list[str]:
    """Try faults one after another in one place; what should not have been."""
    app = place.app
    app.fill()
    app.start()
    failures: list[str] = []
    try:
        asyncio.run(app.until_ready())
        for number, fault in enumerate(faults):
            if fault.name == "disk full" and not place.directory.is_mount():
                print("No small disk can be had here: a full one is left out", file=sys.stderr)
                continue
            record = asyncio.run(_try(fault, place, seed * 100 + number))
            lost, doubled = _compare(app.url, record)
            line = lines.setdefault((fault.name, name), Line(fault.name, name))
            _add(line, record, lost, doubled)
            problems = [*record.wrong[:3]]
            problems += [f"lost {lost}"] if lost else []
            problems += [f"doubled {doubled}"] if doubled else []
            print(_line(line, record, lost, doubled, ok=not problems), flush=True)
            failures += [f"{fault.name} ({name}): {problem}" for problem in problems]
    finally:
        app.kill()
        if failures:
            print(place.app.log.read_text(errors="replace")[-3000:], file=sys.stderr)
    return failures


async def _try(fault: Fault, place: Target, seed: int) -> Record:
    """One fault under load, and what the clients saw."""
    load = Load(place.app.base, seed)
    await load.start()
    await asyncio.sleep(0.7)
    load.record.wrong += await fault.act(place) or []
    mended = time.monotonic()
    while load.record.last_success < mended:
        if time.monotonic() - mended > DEADLINE:
            load.record.wrong.append(f"no service {DEADLINE} s after it was mended")
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    return await load.stop()


def _compare(url: str, record: Record) -> tuple[int, int]:
    """How many acknowledged writes are not there, and how many entries are there twice."""
    with closing(_Asking(url)) as asking:
        stored = asking.entries()
        values = asking.counters()
    lost = sum(1 for token in record.acknowledged if token not in stored)
    # A counter may be ahead of what was acknowledged, and never of what was sent.
    lost += sum(
        1 for index, (known, sent) in record.counters.items() if not known <= values[index] <= sent
    )
    for tokens in record.batches:
        there = sum(token in stored for token in tokens)
        if there not in {0, len(tokens)}:
            record.wrong.append(f"{there} of {len(tokens)} entries of a batch are there")
    sent = record.acknowledged | record.keyed
    return lost, sum(1 for token in sent if stored.get(token, 0) > 1)


class _Asking:
    """Asks the database itself."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)

    def entries(self) -> dict[UUID, int]:
        """How often each token is there."""
        with self._db.session() as session:
            rows = session.connection().execute(
                text("SELECT token, count(*) FROM entry GROUP BY token")
            )
            return {
                token if isinstance(token, UUID) else UUID(token): number for token, number in rows
            }

    def counters(self) -> dict[int, int]:
        """The value of each counter, which the next fault's clients begin at 0 again."""
        with self._db.session() as session:
            rows = session.connection().execute(text("SELECT id, value FROM counter"))
            values = {number: int(value) for number, value in rows}
            session.connection().execute(text("UPDATE counter SET value = 0"))
            session.commit()
        return values

    def close(self) -> None:
        self._db.dispose()


def _add(line: Line, record: Record, lost: int, doubled: int) -> None:
    line.times += 1
    line.requests += record.requests
    line.acknowledged += record.statuses[200] + record.statuses[201]
    line.refused += record.statuses[503] + record.statuses[409] + record.statuses[0]
    line.lost += lost
    line.doubled += doubled
    line.wrong += len(record.wrong)
    line.longest_pause = round(max(line.longest_pause, record.longest_pause), 2)
    line.slowest = round(max(line.slowest, record.slowest), 2)


def _line(line: Line, record: Record, lost: int, doubled: int, *, ok: bool) -> str:
    statuses = " ".join(f"{status}:{count}" for status, count in sorted(record.statuses.items()))
    return (
        f"{'✓' if ok else '✗'} {line.fault:42} {line.database:60} {record.requests:5} requests, "
        f"{lost} lost, {doubled} doubled, pause {record.longest_pause:.1f} s, "
        f"slowest {record.slowest:.1f} s  [{statuses}]"
    )


if __name__ == "__main__":
    sys.exit(main())
