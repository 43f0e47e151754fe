"""``scripts/check_language.py`` finds every kind of violation."""

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
    ("match {}:\n    case {**told}: ...", "told"),
    ("import sys as own", "own"),
    ("def f(*asked, **options): ...", "asked"),
    ("if (said := 1): ...", "said"),
    ("class Turns: ...", "Turns"),
]


@pytest.mark.parametrize(("code", "text"), PLANTED)
def test_a_planted_violation_is_found_with_its_line(tmp_path: Path, code: str, text: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"import os\n{code}\n")
    done = check(file)
    assert done.returncode == 1
    line = 2 if code.startswith(("#", "raise")) or "\n" not in code else 3
    assert f"{file}:{line}: {text!r}: " in done.stdout


def test_every_phrase_has_a_planted_example(language: ModuleType) -> None:
    phrases = [text for code, text in PLANTED if "#" in code or "raise" in code]
    for pattern, advice in language.PHRASES.items():
        advices = {
            violation.advice for text in phrases for violation in language.check_text("x", text)
        }
        assert advice in advices, pattern


def test_every_forbidden_name_is_found(language: ModuleType) -> None:
    names = sorted(language.VARIABLES)
    source = "".join(f"{name} = 1\n" for name in names)
    assert [item.text for item in language.check_python("x.py", source)] == names
    classes = sorted(language.GLOSSARY)
    source = "".join(f"class {name}: ...\n" for name in classes)
    assert [item.text for item in language.check_python("x.py", source)] == classes


@pytest.mark.parametrize(
    "source",
    [
        '"""A view\nis no table."""',
        "# A view is\n# no table.",
        'error = (\n    f"A view is "\n    "no table."\n)',
    ],
    ids=["docstring", "comment", "adjacent strings"],
)
def test_a_phrase_across_lines_is_found(language: ModuleType, source: str) -> None:
    (violation,) = language.check_python("x.py", source)
    assert violation.text == "is no table"


def test_markdown_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# Title\n\nA view is no\ntable.\n")
    assert f"{file}:3: 'is no table'" in check(file).stdout


def test_a_file_without_violations_exits_with_0(tmp_path: Path) -> None:
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
def test_an_exception_needs_a_reason_and_must_occur(
    language: ModuleType, allowed: dict[tuple[str, str], str], reason: str, message: str
) -> None:
    allowed["README.md", "is no such thing"] = reason
    (problem,) = language.check_allowed([])
    assert message in problem


def test_an_exception_that_occurs_is_accepted(
    language: ModuleType, allowed: dict[tuple[str, str], str]
) -> None:
    allowed["x.md", "is no table"] = "a quotation"
    assert [*language.check_allowed([*language.check_text("x.md", "A view is no table.")])] == []
