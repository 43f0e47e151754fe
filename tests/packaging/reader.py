"""A reader who types what the pages of the documentation show."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.packaging.shell import SERVERS, clean_environment

BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.M | re.S)


@dataclass
class Reader:
    """Types the blocks of pages, in order.

    A block with a title is a file, ``sh`` is a command per line, and ``json`` or ``text`` without a
    title is what the last command printed. A server that a command starts is started again when
    files have changed, and stopped by ``close``.

    Attributes:
        directory: The working directory, which ``cd`` changes.
        bin: The scripts of the active environment, if one is.
        output: What the last command printed.
    """

    directory: Path
    bin: Path | None = None
    output: str = ""
    server: "subprocess.Popen[bytes] | None" = None
    server_command: str = ""

    def read(self, page: Path) -> None:
        """Type the blocks of a page."""
        for language, title, text in BLOCK.findall(page.read_text()):
            if title:
                self.write(title, text)
            elif language == "sh":
                for command in commands_of(text):
                    self.run(command, page)
            elif language == "json":
                assert_contains(json.loads(self.output), json.loads(text), page.name)
            elif language == "text":
                for line in text.splitlines():
                    assert line.strip() in self.output, f"{page.name}: {line}\n{self.output}"

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.close()

    def run(self, command: str, page: Path) -> None:
        """Run a command, as in a terminal."""
        if command.startswith(". "):
            self.bin = (self.directory / command[2:]).resolve().parent
        elif command.startswith("cd "):
            self.directory = (self.directory / command[3:]).resolve()
        elif SERVERS.search(command) and "test-db" not in command:
            self.close()
            self.server_command = command
            self._serve()
        else:
            if "localhost:8000" in command:
                self._serve()
            elif "curl" not in command:
                self.close()
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=self.directory, env=self._environment(), capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{page.name}: {command}\n{done.stdout}{done.stderr}"
            self.output = done.stdout

    def close(self) -> None:
        """Stop the server."""
        if self.server is not None:
            os.killpg(self.server.pid, signal.SIGTERM)
            self.server.wait(30)
            self.server = None

    def _serve(self) -> None:
        if self.server is not None:
            return
        log = self.directory / "server.log"
        with log.open("wb") as output:
            self.server = subprocess.Popen(
                ["bash", "-c", f"exec {self.server_command}"],
                cwd=self.directory, env=self._environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        for _ in range(600):
            try:
                urllib.request.urlopen("http://127.0.0.1:8000/docs", timeout=5).read()
            except OSError:
                assert self.server.poll() is None, log.read_text()
                time.sleep(0.1)
            else:
                return
        raise AssertionError(log.read_text())

    def _environment(self) -> dict[str, str]:
        environment = clean_environment()
        path = environment["PATH"]
        return {**environment, "PATH": f"{self.bin}:{path}" if self.bin else path}


def commands_of(block: str) -> Iterator[str]:
    """The commands of a block; an assignment is joined with the commands that need it."""
    lines = block.replace("\\\n", " ").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    assigned = ""
    for line in lines:
        if re.match(r"[A-Z]+=\$\(", line):
            assigned += line + "; "
        else:
            yield assigned + line


def assert_contains(actual: Any, expected: Any, where: str) -> None:
    """Assert that JSON has the expected values; an object may have more keys."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, value in expected.items():
            assert name in actual, f"{where}: no {name} in {actual}"
            assert_contains(actual[name], value, f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list):
        assert len(actual) == len(expected), f"{where}: {actual}"
        for number, (item, value) in enumerate(zip(actual, expected, strict=True)):
            assert_contains(item, value, f"{where}[{number}]")
    else:
        assert actual == expected, f"{where}: {actual!r} instead of {expected!r}"
