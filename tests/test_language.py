"""``scripts/check_language.py``: every kind that it knows is found, and the project has none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_language.py"


@pytest.fixture(scope="module")
def language() -> ModuleType:
    module = ModuleType("check_language")
    module.__file__ = str(SCRIPT)
    sys.modules["check_language"] = module
    exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), vars(module))
    return module


def check(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *paths], capture_output=True, text=True, check=False
    )


PLANTED = [
    ("# A view is no table.", "is no table"),
    ("# The tables are no models.", "are no models"),
    ("# Each has a pool of its own.", "of its own"),
    ("# There is one that answers.", "There is one that"),
    ("# The replicas that there are.", "that there are"),
    ("# The client is told.", "is told"),
    ("# As it was: what was said.", "what was said"),
    ('raise ValueError("It waits for want of a lock.")', "for want of"),
    ("# Those that want a look.", "want a look"),
    ("# A session in the place of another.", "in the place of"),
    ("# The link is within reach.", "within reach"),
    ("# It has to be there.", "has to be"),
    ("# It is laid out for keeps.", "for keeps"),
    ("one = 1", "one"),
    ("def f(own): ...", "own"),
    ("def f(*, told): ...", "told"),
    ("f = lambda said: said", "said"),
    ("for found in (): ...", "found"),
    ("x = [made for made in ()]", "made"),
    ("with open('x') as given: ...", "given"),
    ("try: ...\nexcept ValueError as asked: ...", "asked"),
    ("match 1:\n    case int() as found: ...", "found"),
    ("match ():\n    case [*given]: ...", "given"),
    ("class Turns: ...", "Turns"),
]


@pytest.mark.parametrize(("code", "text"), PLANTED)
def test_a_planted_example_is_found(tmp_path: Path, code: str, text: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"import os\n{code}\n")
    done = check(file)
    assert done.returncode == 1
    assert f"{file}:" in done.stdout
    assert f": {text!r}: " in done.stdout


def test_every_phrase_has_a_planted_example(language: ModuleType) -> None:
    phrases = [text for code, text in PLANTED if "#" in code or "raise" in code]
    for pattern, advice in language.PHRASES.items():
        found = [
            v for text in phrases for v in language.check_text("x", text) if v.advice == advice
        ]
        assert found, pattern


def test_pages_are_read_too(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# Title\n\nA view is no\ntable.\n")
    assert f"{file}:3: 'is no table'" in check(file).stdout


def test_a_plain_sentence_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('"""There is no table; a view is not a table, and is no longer read."""\n')
    done = check(file)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def allowed(language: ModuleType) -> Iterator[dict[tuple[str, str], str]]:
    before = dict(language.ALLOWED)
    language.ALLOWED.clear()
    yield language.ALLOWED
    language.ALLOWED.clear()
    language.ALLOWED.update(before)


@pytest.mark.parametrize(
    ("reason", "message"), [("a quotation", "does not occur"), ("", "has no reason")]
)
def test_what_is_allowed_needs_a_reason_and_occurs(
    language: ModuleType, allowed: dict[tuple[str, str], str], reason: str, message: str
) -> None:
    allowed["README.md", "is no such thing"] = reason
    (problem,) = language.check_allowed([])
    assert message in problem


def test_what_is_allowed_and_occurs_is_no_problem(
    language: ModuleType, allowed: dict[tuple[str, str], str]
) -> None:
    allowed["x.md", "is no table"] = "a quotation"
    assert [*language.check_allowed([*language.check_text("x.md", "A view is no table.")])] == []
