"""The demo, running on each database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Served, colonnade, free_port


@pytest.fixture(params=["sqlite", "postgresql"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    port = free_port()
    arguments = ["demo", "--port", str(port)]
    if request.param == "postgresql":
        arguments += ["--database-url", request.getfixturevalue("postgresql_database")]
    process = subprocess.Popen(
        [sys.executable, "-m", "colonnade", *arguments],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    running = Served(port, "/projects")
    running.wait(process)
    yield running
    taken = colonnade("demo", "--port", str(port), cwd=tmp_path)
    assert taken.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in taken.stderr
    assert f"--port {port + 1}" in taken.stderr
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert f"{running.url}/docs" in out
    assert "332 tasks" in out
    assert out.count("curl ") == 2
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
