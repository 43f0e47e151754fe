"""The benchmarks report nothing rather than something wrong; the pages show what was saved."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from benchmarks import __main__ as command
from benchmarks import quiet, report
from benchmarks.comparison import DisagreementError, agree, next_path, told
from benchmarks.serving import CONTENDERS, FailedError, Served
from benchmarks.workloads import BATCHED, CREATE, LIST, NESTED, PAGE_10000, WORKLOADS

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
    """Makes contenders of one answer."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name: str, answer: Any, status: int = 200, text: str = STARLETTE) -> str:
        (tmp_path / f"{name}.py").write_text(text.format(answer=repr(answer), status=status))
        monkeypatch.setitem(CONTENDERS, name, name)
        return name

    return make


def test_contenders_that_do_not_answer_the_same_are_not_compared(contender: Any) -> None:
    names = contender("one", [{"id": 1}]), contender("other", [{"id": 2}])
    with Served(names[0], "") as first, Served(names[1], "") as other:
        agree([first, first], LIST)
        with pytest.raises(DisagreementError, match="other and one do not answer the same on list"):
            agree([first, other], LIST)


def test_a_contender_that_fails_is_not_compared(contender: Any) -> None:
    failing = Served(contender("failing", "no", status=500), "")
    with failing, pytest.raises(FailedError, match="failing: GET /tasks"):
        agree([failing], LIST)


def test_a_contender_that_does_not_start_is_told(contender: Any) -> None:
    name = contender("broken", None, text="raise SystemExit('no')")
    with pytest.raises(FailedError, match="broken does not start"), Served(name, ""):
        pass


def test_the_command_prints_no_table_then(
    contender: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CONTENDERS, "guide", contender("wrong", [{"id": 1}]))
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(quiet, "check", lambda: None)
    monkeypatch.setattr(sys, "argv", ["b", "compare", "--only", "guide", "--database", "SQLite"])
    with pytest.raises(SystemExit, match=r"do not answer the same[\s\S]*No table is printed"):
        command.main()
    assert capsys.readouterr().out == ""


def test_without_wrk_the_command_says_where_it_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["b", "compare"])
    with pytest.raises(SystemExit, match="apt-get install wrk"):
        command.main()


@pytest.fixture
def busy() -> Iterator[None]:
    """A process that is none of ours, and takes a processor."""
    spin = f"{sys.executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    started = subprocess.run(spin, shell=True, capture_output=True, text=True, check=True)
    yield
    psutil.Process(int(started.stdout)).kill()


def test_other_load_is_noticed(busy: None) -> None:
    with pytest.raises(quiet.OtherLoadError, match=r"\d+% of a processor goes to something else"):
        quiet.check()
    with pytest.raises(quiet.OtherLoadError), quiet.watched():
        time.sleep(0.5)


def test_a_little_other_load_is_not() -> None:
    quiet.judge(0.2, 1.0)


def test_own_load_is_not_other_load() -> None:
    this, before = psutil.Process(), quiet.own()
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert quiet.own()[this] - before[this] > 0.05


def test_rows_are_compared_without_what_each_has_of_its_own() -> None:
    row = {"id": 1, "title": "New", "created_at": "now"}
    assert told({**row, "id": 2}, CREATE) == told(row, CREATE) == [{"title": "New"}]
    assert told([row, row], BATCHED) == [{"title": "New"}] * 2
    nested = [{"assignments": [{"worker_id": "b"}, {"worker_id": "a"}]}]
    assert told(nested, NESTED) == [{"assignments": [{"worker_id": "a"}, {"worker_id": "b"}]}]


def test_links_are_followed() -> None:
    links = '</tasks?limit=1&cursor=b>; rel="next", </tasks?limit=1&cursor=a>; rel="prev"'
    assert next_path(links) == "/tasks?limit=1&cursor=b"


def test_the_documents_have_what_was_saved() -> None:
    for path in (report.ROOT / "README.md", report.DOCS / "benchmarks.md"):
        text = path.read_text()
        assert report.filled(text, SAVED) == text, "python -m benchmarks report"
        assert "<!-- measured: " in text


def test_everything_was_measured() -> None:
    assert SAVED["comparison"].keys() == {"PostgreSQL", "SQLite"}
    for database, workloads in SAVED["comparison"].items():
        assert list(workloads) == [workload.name for workload in WORKLOADS], database
        for workload in WORKLOADS:
            able = {name for name in CONTENDERS if workload.path_of(name) is not None}
            assert workloads[workload.name].keys() == able
    assert {*SAVED["growth"], *SAVED["start"]} == {"PostgreSQL", "SQLite"}


def test_ratios_are_of_one_round_each() -> None:
    results = {
        "Colonnade": {"loads": [{"rate": 10.0}, {"rate": 30.0}]},
        "guide": {"loads": [{"rate": 5.0}, {"rate": 10.0}]},
    }
    assert report.ratios(results, "guide") == [2.0, 3.0]
    assert report.spread([3.0, 2.0, 2.5]) == "2.50x (2.00 to 3.00)"


def test_a_page_that_a_cursor_leads_to_is_asked_by_it() -> None:
    assert "{cursor}" in str(PAGE_10000.path_of("Colonnade"))
    assert "offset=999900" in str(PAGE_10000.path_of("guide"))
