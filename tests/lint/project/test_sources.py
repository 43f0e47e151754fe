"""Reading files: documents, notebooks, encodings and invalid Python."""

import json
from pathlib import Path

import pytest

from colonnade.lint import Settings, all_rules, check, check_sources, read
from colonnade.lint.fixes._fixing import apply
from colonnade.lint.project._sources import UnreadableError

WRONG = 'from sqlmodel import create_engine\n\nengine = create_engine("sqlite://", pool_size=5)\n'
RIGHT = 'from sqlmodel import create_engine\n\nengine = create_engine("sqlite://")\n'


def check_bytes(data: bytes, suffix: str = ".py") -> list[tuple[int, int, str]]:
    """The line, column and code of each finding in a file."""
    findings = check_sources({f"code{suffix}": read(data, suffix)}, all_rules())
    return [(finding.line, finding.column, finding.code) for finding in findings]


def fix_bytes(data: bytes, suffix: str = ".py") -> bytes:
    """A file after all fixes."""
    source = read(data, suffix)
    text, _ = apply(source, check_sources({f"code{suffix}": source}, all_rules()))
    return text.encode(source.encoding)


@pytest.mark.parametrize(
    ("before", "encoding"),
    [("", "utf-8"), ("\ufeff", "utf-8"), ("# -*- coding: latin-1 -*-\n", "latin-1"),
     ("# coding: cp1252\n", "cp1252")],
)  # fmt: skip
@pytest.mark.parametrize("line_ending", ["\n", "\r\n", "\r"])
def test_fixes_keep_encodings_and_line_endings(
    before: str, encoding: str, line_ending: str
) -> None:
    code = (before + "# Größe\n" + WRONG).replace("\n", line_ending).encode(encoding)
    line = before.count("\n") + 4
    assert check_bytes(code) == [(line, 37, "CLN404")]
    assert fix_bytes(code) == (before + "# Größe\n" + RIGHT).replace("\n", line_ending).encode(
        encoding
    )


def test_columns_are_counted_in_characters() -> None:
    code = WRONG.replace('"sqlite://"', '"sqlite:///größe 🏛.db"').encode()
    assert check_bytes(code) == [(3, 48, "CLN404")]
    assert b"pool_size" not in fix_bytes(code)
    assert "größe 🏛".encode() in fix_bytes(code)


DOCUMENT = f"""# A guide

Text with `code` and a block that is not Python:

```python
def broken(:
```

1. A list:

   ~~~~py
   from sqlmodel import create_engine

   engine = create_engine("sqlite://", pool_size=5)
   ~~~~

```sh
pip install sqlmodel
```

```{{.python title="app.py"}}
{WRONG}```
"""


def test_markdown_blocks_are_checked_and_fixed_in_place() -> None:
    assert check_bytes(DOCUMENT.encode(), ".md") == [(14, 40, "CLN404"), (24, 37, "CLN404")]
    text = fix_bytes(DOCUMENT.encode(), ".md").decode()
    assert text == DOCUMENT.replace(", pool_size=5", "")


def test_a_block_sees_the_names_of_the_blocks_before_it() -> None:
    document = """
```python
from sqlmodel import Field, Session, SQLModel, create_engine, select

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
```

```python
def page(session: Session, offset: int):
    return session.exec(select(Task).offset(offset)).all()
```
"""
    assert check_bytes(document.encode(), ".md") == [(11, 25, "CLN303")]


def test_a_line_added_to_an_indented_block_is_indented() -> None:
    document = """
- A list:

  ```python
  import datetime as dt
  from sqlalchemy.ext.asyncio import create_async_engine
  from sqlmodel import Session
  engine = create_async_engine("sqlite+aiosqlite://")
  async def f():
      async with Session(engine, expire_on_commit=False) as session:
          await session.commit()
  ```
"""
    text = fix_bytes(document.encode(), ".md").decode()
    assert "\n  from sqlmodel.ext.asyncio.session import AsyncSession\n  import datetime" in text
    assert check_bytes(text.encode(), ".md") == []


def notebook(*cells: str) -> bytes:
    return json.dumps({
        "cells": [{"cell_type": "markdown", "source": ["# A title"]}]
        + [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells],
        "nbformat": 4,
    }).encode()  # fmt: skip


def test_notebooks_are_checked_cell_by_cell() -> None:
    data = notebook("%load_ext sql\n!pip install sqlmodel\nx = 1\nx?", "%%bash\nls (", WRONG)
    findings = check_sources({"a.ipynb": read(data, ".ipynb")}, all_rules())
    assert [(finding.cell, finding.line, finding.code, finding.fix) for finding in findings] == [
        (4, 3, "CLN404", None)
    ]


@pytest.mark.parametrize(
    ("data", "suffix", "message"),
    [
        (b"\xff\xfe\x00x", ".py", "the file is not valid utf-8"),
        ("# Größe".encode("latin-1"), ".py", "declare its encoding in the first line"),
        (b"# coding: klingon\n", ".py", "unknown encoding"),
        (b"{", ".ipynb", "not a valid notebook"),
        (b'{"cells": 3}', ".ipynb", "not a valid notebook"),
        (b"[]", ".ipynb", "not a valid notebook"),
        (b"\xff", ".md", "the file is not valid utf-8"),
    ],
)
def test_the_error_for_an_unreadable_file_contains_the_reason(
    data: bytes, suffix: str, message: str
) -> None:
    with pytest.raises(UnreadableError, match=message):
        read(data, suffix)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"def f(:\n", "invalid syntax"),
        (b"x = 1\0\n", "null bytes"),
        (b"print 'x'\n", "Missing parentheses"),
        (b"a b\n", "not valid Python"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "too"),
        (b"x = " + b"-" * 100_000 + b"1", "too deeply"),
        (b"if x:\n\ty\n        z\n", "inconsistent use of tabs"),
    ],
)  # fmt: skip
def test_invalid_python_is_a_finding(code: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_bytes(code)
    (tmp_path / "other.py").write_text(WRONG)
    report = check(Settings(tmp_path), [tmp_path], cached=False)
    codes = {Path(finding.path).name: finding.code for finding in report.findings}
    assert codes == {"wrong.py": "CLN001", "other.py": "CLN404"}
    assert any(message in finding.message for finding in report.findings)


def test_very_long_expressions_are_checked_or_reported() -> None:
    code = "x = " + " + ".join(["'a'"] * 20_000) + "\n" + WRONG
    codes = {code for _, _, code in check_bytes(code.encode())}
    assert codes in ({"CLN404"}, {"CLN001"}, {"CLN001", "CLN404"})


def test_a_file_can_silence_its_findings() -> None:
    assert check_bytes(b"# colonnade: noqa\n" + WRONG.encode()) == []
    assert check_bytes(b"# colonnade: noqa: CLN404\n" + WRONG.encode()) == []
    assert len(check_bytes(b"# colonnade: noqa: CLN101\n" + WRONG.encode())) == 1
