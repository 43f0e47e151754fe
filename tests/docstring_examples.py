"""Runs the examples of docstrings, each in a process forked from one that has imported Colonnade.

A fork takes a few milliseconds, and gives each example its own classes, tables and event loops.

    python tests/docstring_examples.py DIRECTORY

Each line of the input is a JSON array of a name and source code, and each line of the output the
error of that example as JSON; null if it has none. Each runs in a new project in ``DIRECTORY``.
"""

import json
import linecache
import os
import re
import sys
import traceback
from pathlib import Path

import alembic.command
from fastapi import testclient

import colonnade.health
import colonnade.testing
import colonnade.testing._values
from colonnade import Database
from colonnade.migrations import History, migrate_to
from colonnade.project import Project
from colonnade.templates import lay_out

PRELOADED = (alembic.command, testclient, colonnade.health, colonnade.testing._values)
"""Modules that take long to import and that several examples use."""

REVISION = 'from alembic import op\n\nrevision, down_revision = "{}", {!r}\n\n'
FIRST_REVISION = (
    REVISION.format("aaaa11112222", None)
    + '''
def upgrade() -> None:
    for statement in """
        CREATE TABLE project (
            id INTEGER NOT NULL, slug VARCHAR NOT NULL,
            CONSTRAINT pk_project PRIMARY KEY (id)
        );
        CREATE TABLE task (
            id INTEGER NOT NULL, title VARCHAR NOT NULL, status VARCHAR NOT NULL,
            priority VARCHAR, progress INTEGER NOT NULL, estimate VARCHAR NOT NULL,
            legacy__dropped VARCHAR, points INTEGER GENERATED ALWAYS AS (progress * 2),
            due DATE, project_id INTEGER, owner_id INTEGER,
            CONSTRAINT pk_task PRIMARY KEY (id),
            CONSTRAINT uq_task_title UNIQUE (title),
            CONSTRAINT ck_task_progress CHECK (progress >= 0),
            CONSTRAINT ck_task_status CHECK (status IN ('pending', 'done', 'canceled')),
            CONSTRAINT fk_task_owner_id FOREIGN KEY (owner_id) REFERENCES project (id)
        );
        CREATE INDEX ix_task_status ON task (status);
        CREATE TABLE assignment (
            task_id INTEGER NOT NULL, worker_id INTEGER NOT NULL,
            CONSTRAINT pk_assignment PRIMARY KEY (task_id)
        );
        INSERT INTO project (id, slug) VALUES (1, 'web');
        INSERT INTO task (id, title, status, progress, estimate)
        VALUES (1, 'Write', 'pending', 1, '3'), (2, 'Read', 'canceled', 2, '5')
    """.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for table in ("assignment", "task", "project"):
        op.drop_table(table)
'''
)
"""The tables that the examples of migration steps change."""


def expected_output(source: str) -> str:
    """The comments behind and below the calls of ``print``, with single spaces."""
    comments: list[str] = []
    follows_print = False
    for line in source.splitlines():
        comment = re.search(r"(?:^\s*|  )# (.*)", line)
        is_print = "print(" in line
        if comment and (is_print or (follows_print and line.lstrip().startswith("#"))):
            comments.append(comment[1])
        follows_print = is_print or (follows_print and line.lstrip().startswith("#"))
    return " ".join(" ".join(comments).split())


def run_steps(source: str) -> None:
    """Run the steps of an example as a revision: up, and down if it has a downgrade."""
    Path("pyproject.toml").write_text("[tool.colonnade]\n")
    folder = Path("migrations/versions")
    for revision in folder.glob("*.py"):
        revision.unlink()
    (folder / "first.py").write_text(FIRST_REVISION)
    header = REVISION.format("bbbb11112222", "aaaa11112222")
    (folder / "second.py").write_text(header + source)
    history, db = History(Project.find(Path.cwd())), Database("sqlite:///steps.db")
    migrate_to(history, db, guarded=False)
    if "def downgrade" in source:
        migrate_to(history, db, "downgrade", "-1", guarded=False)


def run(name: str, source: str) -> None:
    """Run an example in the working directory, and compare its output with its comments."""
    lay_out(Path("tracker"), "tracker", model="Task")
    os.chdir("tracker")
    sys.path.insert(0, os.getcwd())
    file = f"<example of {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    with Path("output.txt").open("w") as output:
        sys.stdout = output
        namespace = {"__name__": "__main__"}
        exec(compile(source, file, "exec"), namespace)
    sys.stdout = sys.__stdout__
    if "def upgrade" in source:
        run_steps(source)
    printed = " ".join(Path("output.txt").read_text().split())
    expected = expected_output(source)
    assert printed == expected, f"The example printed:\n{printed}\nexpected:\n{expected}"


def run_apart(name: str, source: str, directory: Path) -> str | None:
    """Run an example in a fork; its error, if it has one."""
    errors = directory / f"{name}.txt"
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        return errors.read_text() if status else None
    status = 1
    try:
        (directory / name).mkdir()
        os.chdir(directory / name)
        with errors.open("w") as file:
            os.dup2(file.fileno(), 2)
            try:
                run(name, source)
                status = 0
            except BaseException:
                traceback.print_exc(file=file)
    finally:
        os._exit(status)


if __name__ == "__main__":
    for variable in ("DATABASE_URL", "DATABASE_URL_UNPOOLED", "DIRECT_URL"):
        os.environ.pop(variable, None)
    for line in sys.stdin:
        name, source = json.loads(line)
        sys.stdout.write(json.dumps(run_apart(name, source, Path(sys.argv[1]))) + "\n")
        sys.stdout.flush()
