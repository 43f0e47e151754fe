"""The ``demo`` fixture: a running ``colonnade demo``, on each database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import ServedApp, colonnade, free_port


@pytest.fixture(params=["sqlite", "postgresql"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedApp]:
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
    served = ServedApp(port, "/projects")
    served.wait(process)
    yield served
    second = colonnade("demo", "--port", str(port), cwd=tmp_path)
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in second.stderr
    assert f"--port {port + 1}" in second.stderr
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert f"{served.url}/docs" in out
    assert "332 tasks" in out
    assert out.count("curl ") == 2
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []  # its files are deleted
