"""A running ``colonnade demo``, with the URL of its Studio."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.running import free_port

STUDIO = re.compile(r"http://127\.0\.0\.1:\d+/studio/\?token=\S+")


@dataclass(frozen=True)
class StudioDemo:
    """A running demo.

    Attributes:
        url: Its URL.
        studio_url: The URL of Studio with its token.
    """

    url: str
    studio_url: str


def printed_until_end(process: subprocess.Popen[str]) -> str:
    """The panel that a command prints before it serves."""
    output = ""
    assert process.stdout is not None
    while "╰" not in output:
        line = process.stdout.readline()
        assert line, process.communicate()
        output += line
    return output


@contextmanager
def running_demo(directory: Path) -> Iterator[StudioDemo]:
    """Run the demo.

    Args:
        directory: Where it puts its files.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "colonnade", "demo", "--port", str(port)],
        cwd=directory,
        env={
            **os.environ, "TMPDIR": str(directory), "COLUMNS": "200", "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    printed = STUDIO.search(printed_until_end(process))
    assert printed is not None
    yield StudioDemo(f"http://127.0.0.1:{port}", printed[0])
    process.terminate()
    process.communicate(timeout=20)
