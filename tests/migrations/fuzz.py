"""Check the properties of random histories: ``python -m tests.migrations.fuzz``."""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import randrange

import sqlalchemy as sa
from rich.console import Console

from colonnade import Database
from colonnade.database import with_database
from colonnade.testing._servers import postgresql_server
from tests.migrations.lab import Lab
from tests.migrations.properties import check_history


@contextmanager
def databases(url: str, server: Database, directory: Path, number: int) -> Iterator[list[Database]]:
    """Provide an empty SQLite database and an empty PostgreSQL database."""
    name = f"fuzz_{number}"
    engine = server.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    empty = [
        Database(f"sqlite:///{directory}/fuzz.db"),
        Database(with_database(url, name)),
    ]
    try:
        yield empty
    finally:
        for database in empty:
            database.dispose()
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="the number of minutes to run")
    parser.add_argument("--seed", type=int, help="check one history only, with a seed that failed")
    chosen = parser.parse_args()
    console = Console()
    ends = time.monotonic() + chosen.minutes * 60
    tried, revisions, failed = 0, 0, 0
    with postgresql_server() as url:
        server = Database(url)
        while time.monotonic() < ends and not (chosen.seed is not None and tried):
            seed = randrange(10**9) if chosen.seed is None else chosen.seed
            with (
                tempfile.TemporaryDirectory() as directory,
                databases(url, server, Path(directory), tried) as both,
            ):
                for db in both:
                    root = Path(directory) / db.url.backend
                    root.mkdir()
                    tried += 1
                    try:
                        revisions += check_history(Lab(root, db), seed, edits=5)
                    except Exception:  # count the failure and go on with the next history
                        failed += 1
                        console.print(f"seed {seed} on {db.url.backend}", style="red")
                        console.print(traceback.format_exc(limit=-4), markup=False)
            console.print(f"{tried} histories, {revisions} revisions, {failed} failed", end="\r")
        server.dispose()
    console.print(f"{tried} histories, {revisions} revisions, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
