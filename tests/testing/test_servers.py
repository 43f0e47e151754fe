"""The temporary server is fast, and ends with the process that started it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from colonnade.testing import postgresql_server
from tests.servers import reset_sigint

SERVER_SCRIPT = """
import sys
from colonnade.testing import postgresql_server
with postgresql_server() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def test_durability_is_off_and_the_data_is_deleted() -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("stop_signal", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_the_process_that_started_it(stop_signal: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER_SCRIPT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=reset_sigint,  # noqa: PLW1509
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        psycopg.connect(url).close()
        process.send_signal(stop_signal)
        process.wait(10)
        deadline = time.monotonic() + 10
        directory = Path(url.partition("host=")[2]).parent
        while directory.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
