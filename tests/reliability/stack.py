"""The application in a separate process."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx

from tests.reliability.load import CLIENTS
from tests.servers import free_port

ROOT = Path(__file__).parents[2]

FILL = f"""
from tests.reliability.app import db, Counter
db.create_all()
with db.session() as session:
    session.add_all([Counter(id=index) for index in range({CLIENTS})])
    session.commit()
db.dispose()
"""


class Application:
    """The application, served by uvicorn.

    Args:
        url: The URL of its database.
        log: The file for its output.
        settings: Environment variables.
    """

    def __init__(self, url: str, log: Path, **settings: str) -> None:
        self.url = url
        self.port = free_port()
        self.log = log
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        """The URL of the application."""
        return f"http://127.0.0.1:{self.port}"

    def fill(self) -> None:
        """Create the tables, and a counter for each client."""
        subprocess.run([sys.executable, "-c", FILL], env=self._environment(), cwd=ROOT, check=True)

    def start(self) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "uvicorn", "tests.reliability.app:app",
                    "--port", str(self.port), "--log-level", "warning",
                ],
                env=self._environment(), cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    async def until_ready(self, patience: float = 30) -> float:
        """Wait until the application answers a read; the seconds that it took."""
        started = time.monotonic()
        async with httpx.AsyncClient(base_url=self.base, timeout=10) as client:
            while True:
                with suppress(httpx.HTTPError):
                    if (await client.get("/entries?limit=1")).status_code == 200:
                        return time.monotonic() - started
                if time.monotonic() - started > patience:
                    raise RuntimeError(
                        f"The application did not respond within {patience:g} s. See {self.log}."
                    )
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DATABASE_URL": self.url, **self._settings}
