"""A server for a while: fast, and gone when whoever started it is, whatever happened."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from colonnade.testing import postgresql_server
from tests.servers import heed_interrupts

STARTED = """
import sys
from colonnade.testing import postgresql_server
with postgresql_server() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def test_durability_is_off_and_nothing_is_left() -> None:
    with postgresql_server() as url:
        with psycopg.connect(url) as connection:
            query = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'wal_level')"
            assert connection.execute(query).fetchall() == [
                ("fsync", "off"),
                ("wal_level", "minimal"),
            ]
        directory = Path(url.partition("host=")[2]).parent
        assert directory.is_dir()
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_goes_with_the_process_that_started_it(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTED],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        psycopg.connect(url).close()
        process.send_signal(how)
        process.wait(10)
        deadline = time.monotonic() + 10
        directory = Path(url.partition("host=")[2]).parent
        while directory.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
