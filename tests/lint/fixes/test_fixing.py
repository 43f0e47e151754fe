"""Fixes are exact, can be combined, come to an end, and change nothing else."""

import ast
import difflib
import io
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.lint import Edit, Rule, Settings, all_rules, check_sources, fix, read
from colonnade.lint.fixes._fixing import apply, apply_edits
from tests.lint.project.test_sources import RIGHT, WRONG
from tests.lint.rules.test_rules import body, fixed

EXAMPLES = [rule.bad.strip() for rule in all_rules() if rule.code != "CLN001"]


def as_function(code: str, number: int) -> str:
    """An example with numbered names, so that several can share a file."""
    tree = ast.parse(code)
    names = {
        statement.name for statement in tree.body
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    } | {
        target.id for statement in tree.body if isinstance(statement, ast.Assign)
        for target in statement.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    tokens = []
    for token in tokenize.generate_tokens(io.StringIO(code + "\n").readline):
        text = token.string
        if token.type == tokenize.NAME and text in names:
            text = f"{text}{number}"
        elif token.type == tokenize.STRING and text.strip("'\"") in names:
            text = text.replace(text.strip("'\""), f"{text.strip(chr(39) + chr(34))}{number}")
        tokens.append((token.type, text))
    return tokenize.untokenize(tokens)


def combine(examples: list[str], comments: list[str]) -> str:
    parts = []
    for number, (example, comment) in enumerate(zip(examples, comments, strict=False)):
        parts += [f"# {comment}", as_function(example, number)]
    futures = [line for part in parts for line in part.splitlines() if "__future__" in line]
    lines = [line for part in parts for line in part.splitlines() if "__future__" not in line]
    return "\n".join([*dict.fromkeys(futures), *lines, ""])


@given(
    st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4),
    st.lists(st.text("äbc ", max_size=9), min_size=4, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
)
def test_fixing_twice_equals_fixing_once_for_any_combination_of_examples(
    examples: list[str], comments: list[str], line_ending: str
) -> None:
    code = combine(examples, comments).replace("\n", line_ending)
    once = fixed(code)
    assert fixed(once) == once
    ast.parse(once)
    # All comments are still there in the same order, and the line endings are the same.
    assert comments_in(once) == comments_in(code)
    assert ("\r\n" in once) == ("\r\n" in code)
    assert once.count("\n") == once.count(line_ending)


def comments_in(code: str) -> list[str]:
    """The comments in Python code."""
    tokens = tokenize.generate_tokens(io.StringIO(code.replace("\r\n", "\n")).readline)
    return [token.string.strip() for token in tokens if token.type == tokenize.COMMENT]


RULES = [rule for rule in all_rules() if rule.code != "CLN001"]
MIXED_SESSIONS = "session-override"


def imported_names(examples: list[str]) -> list[tuple[str, str | None]]:
    """The imported names, each with its module, without duplicates."""
    return list(
        dict.fromkeys(
            (name.asname or name.name, node.module)
            for example in examples
            for node in ast.walk(ast.parse(example))
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        )
    )


def can_share_file(rules: list[Rule]) -> bool:
    """Whether examples can share a file.

    They cannot if they import the same name from different packages. One example has sessions of
    both kinds on purpose, which would make the sessions of the other examples uncertain.
    """
    sources = imported_names([rule.bad for rule in rules])
    mixed = len(set(rules)) > 1 and any(rule.name == MIXED_SESSIONS for rule in rules)
    return not mixed and len({name for name, _ in sources}) == len(sources)


def fix_separately(codes: list[str]) -> list[str]:
    """The files of a project after all fixes, applied until nothing changes."""
    for _ in range(10):
        sources = {f"{number}.py": read(code.encode(), ".py") for number, code in enumerate(codes)}
        findings = check_sources(sources, all_rules())
        fixed_sources = [
            apply(source, [finding for finding in findings if finding.path == path])
            for path, source in sources.items()
        ]
        codes = [code for code, _ in fixed_sources]
        if not any(count for _, count in fixed_sources):
            return codes
    raise AssertionError(f"the fixes never end: {codes}")


@given(st.lists(st.sampled_from(RULES), min_size=1, max_size=4))
def test_examples_fixed_together_equal_examples_fixed_separately(rules: list[Rule]) -> None:
    wrong = [rule.bad.strip() for rule in rules]
    right = [(rule.bad if rule.fixes == "never" else rule.good).strip() for rule in rules]
    if can_share_file(rules):
        comments = [""] * len(rules)
        assert body(fixed(combine(wrong, comments))) == body(combine(right, comments))
    else:
        fixed_sources = fix_separately(
            [as_function(code, number) for number, code in enumerate(wrong)]
        )
        expected = [as_function(code, number) for number, code in enumerate(right)]
        assert [body(code) for code in fixed_sources] == [body(code) for code in expected]


@given(st.sampled_from(EXAMPLES))
def test_a_line_without_a_fix_does_not_change(example: str) -> None:
    source = read(example.encode(), ".py")
    findings = check_sources({"code.py": source}, all_rules())
    text, _ = apply(source, findings)
    touched = {
        number
        for finding in findings
        if finding.fix
        for edit in finding.fix.edits
        for number in range(source.position(edit.start)[0], source.position(edit.end)[0] + 1)
    }
    matcher = difflib.SequenceMatcher(None, example.split("\n"), text.split("\n"), autojunk=False)
    for tag, first, last, _, _ in matcher.get_opcodes():
        if tag in ("replace", "delete"):
            assert set(range(first + 1, last + 1)) <= touched


@given(st.data())
def test_edits_that_do_not_overlap_are_applied_exactly(data: st.DataObject) -> None:
    text = data.draw(st.text("ab\n", min_size=1, max_size=30))
    offsets = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(offsets[::2], offsets[1::2], strict=False))
    edits = [Edit(start, end, data.draw(st.text("XY", max_size=3))) for start, end in pairs]
    expected, last = "", 0
    for edit in edits:
        expected, last = expected + text[last : edit.start] + edit.text, edit.end
    assert apply_edits(text, reversed(edits)) == expected + text[last:]


def test_fixes_that_overlap_are_applied_one_after_another() -> None:
    code = WRONG.replace("pool_size=5", "pool_size=5, max_overflow=3, pool_timeout=9")
    assert fixed(code) == RIGHT
    nested = """
from sqlmodel import Field, Session, SQLModel, select

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    done: bool = False

def f(s: Session):
    return s.exec(select(Task).where(not Task.done and Task.id is None)).all()
"""
    assert "where((~Task.done) & (col(Task.id).is_(None)))" in fixed(nested)


def test_two_fixes_import_a_name_only_once() -> None:
    code = """
from datetime import datetime

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=datetime.now)
    updated_at: datetime = Field(default_factory=datetime.utcnow)
"""
    fixed_code = fixed(code)
    assert fixed_code.count("import datetime, timezone\n") == 1
    assert fixed_code.count("timezone.utc") == 2


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "safe.py").write_text(WRONG)
    (tmp_path / "unsafe.py").write_text(RIGHT.replace(")", ", echo=True)"))
    return tmp_path


def test_fixes_are_written_only_by_write(project: Path) -> None:
    done = fix(Settings.read(project), [project])
    assert (done.count, done.failed) == (1, {})
    assert (project / "safe.py").read_text() == WRONG
    done.write()
    assert (project / "safe.py").read_text() == RIGHT
    assert "echo" in (project / "unsafe.py").read_text()
    assert fix(Settings.read(project), [project]).count == 0
    fix(Settings.read(project), [project], unsafe=True).write()
    assert (project / "unsafe.py").read_text() == RIGHT


def test_a_fix_whose_result_is_not_valid_python_is_not_applied(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colonnade.lint.fixes import _fixing

    monkeypatch.setattr(_fixing, "apply_edits", lambda text, edits: "def broken(:")
    done = fix(Settings.read(project), [project])
    assert ([Path(file).name for file in done.failed], done.after) == (["safe.py"], {})


def test_a_file_that_cannot_be_written_does_not_stop_the_others(project: Path) -> None:
    (project / "last.py").write_text(WRONG)
    done = fix(Settings.read(project), [project])
    (project / "last.py").unlink()
    (project / "last.py").mkdir()
    done.write()
    assert (project / "safe.py").read_text() == RIGHT
    assert (done.count, done.failed) == (
        1, {str(project / "last.py"): "cannot be written: Is a directory"},
    )  # fmt: skip


ADDED = {
    "(engine)": "(engine, expire_on_commit=False)",
    "(engine,)": "(engine, expire_on_commit=False,)",
    "((engine))": "((engine), expire_on_commit=False)",
    "(engine, autoflush=(False))": "(engine, autoflush=(False), expire_on_commit=False)",
    "(\n    engine\n)": "(\n    engine,\n    expire_on_commit=False,\n)",
    "(\n    engine,\n)": "(\n    engine,\n    expire_on_commit=False,\n)",
    "(\n    engine  # one\n)": "(\n    engine,  # one\n    expire_on_commit=False,\n)",
    "(\n    engine,  # 1, (2)\n)": "(\n    engine,  # 1, (2)\n    expire_on_commit=False,\n)",
    "(\n    engine,\n    # more\n)": "(\n    engine,\n    expire_on_commit=False,\n    # more\n)",
    "(engine  # one\n)": "(engine, expire_on_commit=False  # one\n)",
    "(\n    engine, info={}\n)": "(\n    engine, info={}, expire_on_commit=False\n)",
    "(\n    (engine)  # )\n)": "(\n    (engine), expire_on_commit=False  # )\n)",
    "(\n    # none yet\n)": "(\n    # none yet\n    expire_on_commit=False,\n)",
    "(  # none\n)": "(  # none\n    expire_on_commit=False,\n)",
    "()": "(expire_on_commit=False)",
}


@pytest.mark.parametrize("line_ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(("before", "after"), ADDED.items(), ids=ADDED)
def test_an_added_argument_follows_the_layout_of_the_call(
    before: str, after: str, line_ending: str
) -> None:
    code = (
        "from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine\n\n"
        "engine = create_async_engine('sqlite+aiosqlite://')\nmaker = async_sessionmaker{}\n"
    )
    expected = code.format(after).replace("\n", line_ending)
    assert fixed(code.format(before).replace("\n", line_ending)) == expected


REMOVED = {
    "(URL, pool_size=5)": "(URL)",
    "(URL, pool_size=5,)": "(URL,)",
    "(pool_size=5, url=URL)": "(url=URL)",
    "(URL, pool_size=(5), echo=False)": "(URL, echo=False)",
    "(URL, pool_size=5, max_overflow=2, echo=False)": "(URL, echo=False)",
    "(\n    URL,\n    pool_size=5,\n)": "(\n    URL,\n)",
    "(\n    URL,\n    pool_size=5\n)": "(\n    URL,\n)",
    "(\n    URL,  # one\n    pool_size=5,\n)": "(\n    URL,  # one\n)",
    "(\n    URL,\n    pool_size=5,  # one\n)": "(\n    URL,\n    # one\n)",
    "(\n    URL,\n    pool_size=5  # one\n)": "(\n    URL,\n    # one\n)",
    "(\n    URL,\n    pool_size=5, echo=False,\n)": "(\n    URL,\n    echo=False,\n)",
    "(URL, pool_size=5  # one\n)": "(URL  # one\n)",
    "(URL,  # one\n    pool_size=5)": "(URL,  # one\n    )",
    "(\n    pool_size=\n        5,\n    url=URL,\n)": "(\n    url=URL,\n)",
}


@pytest.mark.parametrize(("before", "after"), REMOVED.items(), ids=REMOVED)
def test_a_removed_argument_takes_its_line_but_no_comments(before: str, after: str) -> None:
    code = "from sqlmodel import create_engine\n\nURL = 'sqlite://'\nengine = create_engine{}\n"
    assert fixed(code.format(before)) == code.format(after)
