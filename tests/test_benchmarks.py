"""The benchmarks refuse wrong measurements, and the documentation has the saved results."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from benchmarks import __main__ as command
from benchmarks import quiet, report
from benchmarks.applications import APPLICATIONS, NotInstalledError, PythonApplication
from benchmarks.comparison import (
    DisagreementError,
    Tasks,
    in_milliseconds,
    next_path,
    normalized,
    require_same_responses,
)
from benchmarks.databases import DATABASES, TASKS
from benchmarks.serving import FailedError, Served
from benchmarks.workloads import BATCHED, CREATE, LIST, NESTED, PAGE_10000, WORKLOADS

NOT_MEASURED = {"Litestar", "Drizzle", "Prisma"}
"""Contenders that were added after the measurement, with preliminary figures in the text."""

SAVED = json.loads(report.SAVED.read_text())
STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def tasks(request):
    return JSONResponse({answer}, {status})

app = Starlette(routes=[Route("/tasks", tasks, methods=["GET", "POST"])])
"""


@pytest.fixture
def contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that creates a contender with a fixed response."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name: str, answer: Any, status: int = 200, text: str = STARLETTE) -> str:
        (tmp_path / f"{name}.py").write_text(text.format(answer=repr(answer), status=status))
        monkeypatch.setitem(APPLICATIONS, name, PythonApplication(name))
        return name

    return make


def test_contenders_with_different_responses_are_not_compared(contender: Any) -> None:
    names = contender("one", [{"id": 1}]), contender("other", [{"id": 2}])
    with Served(names[0], "") as first, Served(names[1], "") as other:
        require_same_responses([first, first], LIST)
        with pytest.raises(DisagreementError, match="other and one respond differently to list"):
            require_same_responses([first, other], LIST)


def test_a_contender_that_fails_is_not_compared(contender: Any) -> None:
    failing = Served(contender("failing", "no", status=500), "")
    with failing, pytest.raises(FailedError, match="failing: GET /tasks"):
        require_same_responses([failing], LIST)


def test_a_contender_that_does_not_start_is_an_error(contender: Any) -> None:
    name = contender("broken", None, text="raise SystemExit('no')")
    with pytest.raises(FailedError, match="broken does not start"), Served(name, ""):
        pass


@pytest.mark.slow
def test_the_command_prints_no_table_after_an_error(
    contender: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = contender("wrong", [{"id": 1}])
    monkeypatch.setitem(APPLICATIONS, "guide", APPLICATIONS[wrong])
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(quiet, "check", lambda: None)
    monkeypatch.setattr(sys, "argv", ["b", "compare", "--only", "guide", "--database", "SQLite"])
    with pytest.raises(SystemExit, match=r"respond differently[\s\S]*No table is printed"):
        command.main()
    assert capsys.readouterr().out == ""


def test_the_command_needs_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["b", "compare"])
    with pytest.raises(SystemExit, match="apt-get install wrk"):
        command.main()


def test_the_command_measures_the_workloads_that_it_names_in_their_order() -> None:
    named = argparse.Namespace(workload=[BATCHED.name, LIST.name])
    assert command.selected(named) == [LIST, BATCHED]
    assert command.selected(argparse.Namespace(workload=None)) == WORKLOADS
    assert command.selected(argparse.Namespace(workload=None), [CREATE]) == [CREATE]


@pytest.fixture
def busy() -> Iterator[None]:
    """A process outside of the benchmark that uses a processor."""
    spin = f"{sys.executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    started = subprocess.run(spin, shell=True, capture_output=True, text=True, check=True)
    yield
    psutil.Process(int(started.stdout)).kill()


@pytest.mark.slow
def test_load_of_other_processes_is_an_error(busy: None) -> None:
    with pytest.raises(quiet.OtherLoadError, match=r"Other processes use \d+% of a processor"):
        quiet.check()
    with pytest.raises(quiet.OtherLoadError), quiet.require_quiet():
        time.sleep(0.5)


def test_a_little_other_load_is_accepted() -> None:
    quiet.refuse_other_load(0.2, 1.0)


def test_the_benchmarks_processes_are_not_other_load() -> None:
    this, before = psutil.Process(), quiet.benchmark_cpu()
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert quiet.benchmark_cpu()[this] - before[this] > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES)
def test_all_contenders_give_the_same_answers(database: str) -> None:
    # Looked for, and not imported: Django's packages want settings.
    if not all(map(find_spec, ("advanced_alchemy", "fastcrud", "litestar", "ninja"))):
        pytest.skip("the contenders are in colonnade[bench]")
    with DATABASES[database]() as url, ExitStack() as stack:
        # In another process, since tests forget the models that were defined in this one.
        code = f"from benchmarks.databases import fill; fill({url!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=report.ROOT)
        servers = []
        for name, application in APPLICATIONS.items():
            if database in application.databases:
                server = Served(name, url)
                stack.push(server)
                servers.append(server)
        for server in servers:
            server.wait()
        tasks = Tasks(url)
        for workload in WORKLOADS:
            if workload.rows == TASKS:
                tasks.prepare(workload, len(servers))
                able = [server for server in servers if workload.path_of(server.name) is not None]
                require_same_responses(able, workload, first=tasks.first)


@pytest.mark.parametrize(
    ("datetime", "rounded"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.500Z"),
        ("2026-01-01T00:00:00.123999Z", "2026-01-01T00:00:00.123Z"),
        ("Task 1", "Task 1"),
    ],
)
def test_datetimes_are_compared_in_the_milliseconds_that_javascript_has(
    datetime: str, rounded: str
) -> None:
    assert in_milliseconds([{"at": datetime, "n": 1}]) == [{"at": rounded, "n": 1}]


def test_a_contender_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.applications.NODE", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotInstalledError, match="drizzle-orm needs npm"):
        Served("Drizzle", "")


def test_rows_are_compared_without_generated_fields() -> None:
    row = {"id": 1, "title": "New", "created_at": "now"}
    assert normalized({**row, "id": 2}, CREATE) == normalized(row, CREATE) == [{"title": "New"}]
    assert normalized([row, row], BATCHED) == [{"title": "New"}] * 2
    nested = [{"assignments": [{"worker_id": "b"}, {"worker_id": "a"}]}]
    assert normalized(nested, NESTED) == [{"assignments": [{"worker_id": "a"}, {"worker_id": "b"}]}]


def test_the_next_path_is_read_from_a_link_header() -> None:
    links = '</tasks?limit=1&cursor=b>; rel="next", </tasks?limit=1&cursor=a>; rel="prev"'
    assert next_path(links) == "/tasks?limit=1&cursor=b"


def test_the_documentation_has_the_saved_results() -> None:
    for path in (report.ROOT / "README.md", report.DOCS / "benchmarks.md"):
        text = path.read_text()
        assert report.fill(text, SAVED) == text, "python -m benchmarks report"
        assert "<!-- measured: " in text


def test_the_saved_results_are_complete() -> None:
    assert SAVED["comparison"].keys() == {"PostgreSQL", "SQLite"}
    for database, workloads in SAVED["comparison"].items():
        assert list(workloads) == [workload.name for workload in WORKLOADS], database
        for workload in WORKLOADS:
            able = {
                name
                for name, application in APPLICATIONS.items()
                if workload.path_of(name) is not None and database in application.databases
            }
            assert workloads[workload.name].keys() == able - NOT_MEASURED
    assert {*SAVED["growth"], *SAVED["start"]} == {"PostgreSQL", "SQLite"}


def test_ratios_are_calculated_for_each_round() -> None:
    results = {
        "Colonnade": {"loads": [{"rate": 10.0}, {"rate": 30.0}]},
        "guide": {"loads": [{"rate": 5.0}, {"rate": 10.0}]},
    }
    assert report.ratios(results, "guide") == [2.0, 3.0]
    assert report.spread([3.0, 2.0, 2.5]) == "2.50x (2.00 to 3.00)"


def test_deep_pages_use_a_cursor_or_an_offset() -> None:
    assert "{cursor}" in str(PAGE_10000.path_of("Colonnade"))
    assert "offset=999900" in str(PAGE_10000.path_of("guide"))
