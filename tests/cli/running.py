"""Runs ``colonnade`` commands as processes, and sends requests to the apps that they serve."""

import atexit
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

WIDTH = "200"
"""Characters in a line of the output."""


class ForkServer:
    """A process that runs commands in forks of itself, see ``fork_server.py``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.fork_server"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": WIDTH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def run(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a module, for at most a minute."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            command = {
                "arguments": list(arguments),
                "cwd": str(cwd.absolute()),
                "environment": dict(environment),
                "stdout": out.name,
                "stderr": err.name,
            }
            print(json.dumps(command), file=self._process.stdin, flush=True)
            if not select.select([self._process.stdout], [], [], 60)[0]:
                self.close()
                pytest.fail(f"{shlex.join(arguments)} did not end within a minute")
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(
                arguments, code, out.read().decode(), err.read().decode()
            )

    def close(self) -> None:
        """Stop the process and the command that it runs."""
        fork_server.cache_clear()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@cache
def fork_server() -> ForkServer:
    """The server of this process."""
    server = ForkServer()
    atexit.register(server.close)
    return server


def run_module(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a module with arguments in a directory, as ``python -m`` would."""
    variables = {**os.environ, "COLUMNS": WIDTH, **environment}
    return fork_server().run(command, cwd, variables)


def colonnade(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a ``colonnade`` command in a directory."""
    return run_module("colonnade", *arguments, cwd=cwd, **environment)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServedApp:
    """An app that a command serves.

    Args:
        port: The port of the app.
        path: A path that responds once the app runs.
    """

    def __init__(self, port: int, path: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.path = path

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, json.loads(response.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def wait(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.request("GET", self.path)
            except OSError:
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
            else:
                return
        pytest.fail("The app did not start.")
