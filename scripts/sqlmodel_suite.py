"""Run sqlmodel's own test suite on Colonnade, and compare the failures with the expected ones.

    python scripts/sqlmodel_suite.py

The script downloads the source of the installed sqlmodel release, changes ``from sqlmodel import``
to ``from colonnade import`` in its tests and documentation sources, and runs them. The exit code is
1 if a test fails that is not in ``EXPLAINED``, or a test in it passes.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

EXPLAINED = {
    "tests/test_datetime.py::test_naive_database_parameters": (
        "a naive datetime is local time, and sqlmodel refuses it"
    ),
    "tests/test_datetime.py::test_alembic_datetime_rendering": (
        "UTCDateTime is rendered as Colonnade's type"
    ),
    "tests/test_enums.py::test_postgres_ddl_sql": (
        "an Enum is text with a CHECK instead of a native type"
    ),
    "tests/test_enums.py::test_sqlite_ddl_sql": "an Enum is text with a CHECK, without a length",
    "tests/test_missing_type.py::test_missing_sql_type": "a Pydantic model is a JSON column",
    "tests/test_sqlalchemy_type_errors.py::test_type_list_breaks": "a list is a JSON column",
    "tests/test_sqlalchemy_type_errors.py::test_type_dict_breaks": "a dict is a JSON column",
}
IGNORED = ("test_select_gen.py", "test_docs_cleanup.py", "test_prepare_release.py")
"""Tests of sqlmodel's repository, for generated files, docs and releases."""

IMPORT = re.compile(r"^(\s*)from sqlmodel import", re.MULTILINE)
MODULE = re.compile(r"^import sqlmodel$", re.MULTILINE)


def fetch(directory: Path) -> Path:
    """Download and unpack the source of the installed release."""
    release = f"sqlmodel=={version('sqlmodel')}"
    command = ["pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(directory)]
    subprocess.run([sys.executable, "-m", *command, release], check=True)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz")


def point_at_colonnade(source: Path) -> int:
    """Change the imports of the tests and documentation sources; the number of changed files."""
    changed = 0
    for path in [*source.glob("tests/**/*.py"), *source.glob("docs_src/**/*.py")]:
        old = path.read_text(encoding="utf-8")
        new = MODULE.sub(
            "import colonnade as sqlmodel", IMPORT.sub(r"\1from colonnade import", old)
        )
        if new != old:
            path.write_text(new, encoding="utf-8")
            changed += 1
    return changed


def run(source: Path) -> tuple[set[str], str]:
    """Run the tests; the names of the failed ones, and the last line of the output."""
    ignored = [f"--ignore=tests/{name}" for name in IGNORED]
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-W", "ignore", "-n", "2", *ignored]
    done = subprocess.run(
        [*command, "tests"],
        cwd=source,
        env={
            "PYTHONPATH": str(source),
            "PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    failed = set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE))
    return failed, done.stdout.strip().splitlines()[-1]


def main() -> int:
    """Run the suite; the exit code."""
    with tempfile.TemporaryDirectory() as directory:
        source = fetch(Path(directory))
        # The tests copy coverage files into this folder, which the release does not contain.
        (source / "coverage").mkdir(exist_ok=True)
        print(f"{point_at_colonnade(source)} files import colonnade instead of sqlmodel")
        failed, last = run(source)
    explained = {
        test: why for test in failed for name, why in EXPLAINED.items() if test.startswith(name)
    }
    for test, why in sorted(explained.items()):
        print(f"explained: {test}: {why}")
    unexplained = sorted(failed - explained.keys())
    passing = [name for name in EXPLAINED if not any(test.startswith(name) for test in failed)]
    for test in unexplained:
        print(f"FAILED, and is not in EXPLAINED: {test}")
    for test in passing:
        print(f"passed, but is in EXPLAINED: {test}")
    print(f"sqlmodel {version('sqlmodel')}: {last}")
    return 1 if unexplained or passing or not failed else 0


if __name__ == "__main__":
    sys.exit(main())
