"""Rules about tables: an imported metadata, and a running database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from colonnade import Database
from colonnade.lint.schema import (
    SchemaRule,
    metadata_rules,
    review_database,
    review_metadata,
    schema_rules,
)

# Each example runs in a separate process, since its tables share names with the others. The
# processes are forked, so that they need not import anything again.
SCRIPT = """
import json, os, sys
import colonnade, sqlmodel
from decimal import Decimal
from colonnade import Field, Relationship, SQLModel
from colonnade.lint.schema import review_metadata

for name, code in json.load(sys.stdin).items():
    if os.fork() == 0:
        exec(code, globals())
        findings = review_metadata(SQLModel.metadata, [SQLModel._sa_registry])
        print(json.dumps([name, [finding.code for finding in findings]]), flush=True)
        os._exit(0)
    os.wait()
"""
PROJECT = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship(back_populates="project")
"""
KEYS = """
class Worker(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
"""
PRELUDES = {
    "CLN501": "class Project(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n",
    "CLN502": KEYS,
    "CLN504": PROJECT,
}


@pytest.fixture(scope="module")
def findings_in_examples() -> dict[str, set[str]]:
    """The codes of the findings in the wrong and the right example of each rule."""
    examples: dict[str, str] = {}
    for rule in metadata_rules():
        prelude = PRELUDES.get(rule.code, "")
        examples |= {
            f"{rule.code} bad": prelude + rule.bad,
            f"{rule.code} good": prelude + rule.good,
        }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(examples), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return {name: set(codes) for name, codes in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("rule", metadata_rules(), ids=lambda rule: rule.code)
def test_the_wrong_example_has_a_finding_and_the_right_one_has_none(
    rule: SchemaRule, findings_in_examples: dict[str, set[str]]
) -> None:
    assert rule.code in findings_in_examples[f"{rule.code} bad"]
    assert findings_in_examples[f"{rule.code} good"] == set()


def test_every_rule_has_a_summary_and_a_reason() -> None:
    for rule in schema_rules():
        assert rule.summary().endswith(".")
        assert rule.reason()


class Base(orm.DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    children: orm.Mapped[list["Child"]] = orm.relationship(back_populates="parent")


class Child(Base):
    __tablename__ = "child"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    parent_id: orm.Mapped[int] = orm.mapped_column(
        sa.ForeignKey("parent.id", ondelete="CASCADE", name="fk"), index=True
    )
    parent: orm.Mapped[Parent] = orm.relationship(back_populates="children")


def test_findings_about_sqlalchemy_models_are_located_at_their_classes() -> None:
    (finding,) = review_metadata(Base.metadata, [Base.registry])
    assert (finding.code, finding.path) == ("CLN503", "tests/lint/test_schema.py")
    line = Path(__file__).read_text().splitlines()[finding.line - 1]
    assert line[finding.column - 1 : finding.end_column - 1] == "Parent"


def codes_of(*tables: sa.Table) -> list[str]:
    return [item.code for item in review_metadata(tables[0].metadata, [])]


def test_an_index_that_starts_with_the_columns_serves_a_foreign_key() -> None:
    metadata = sa.MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s"})
    parent = sa.Table("parent", metadata, sa.Column("id", sa.Integer, primary_key=True))
    key = sa.ForeignKey("parent.id")
    child = sa.Table(
        "child", metadata, sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent_id", sa.Integer, key), sa.Column("name", sa.String),
    )  # fmt: skip
    assert codes_of(parent) == ["CLN501"]
    index = sa.Index("partial", child.c.parent_id, postgresql_where=child.c.name.is_(None))
    assert codes_of(parent) == ["CLN501"]
    child.indexes.remove(index)
    sa.Index("other_first", child.c.name, child.c.parent_id)
    assert codes_of(parent) == ["CLN501"]
    sa.Index("first", child.c.parent_id, child.c.name)
    assert codes_of(parent) == []
    sa.Index("again", child.c.parent_id)
    assert codes_of(parent) == ["CLN506"]


def test_a_cycle_is_reported_once_and_a_self_reference_is_not_one() -> None:
    metadata = sa.MetaData()

    def table(name: str, to: str) -> sa.Table:
        return sa.Table(
            name, metadata, sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("to", sa.Integer, sa.ForeignKey(f"{to}.id", name=f"fk_{name}"), index=True),
        )  # fmt: skip

    tables = [table("a", "b"), table("b", "c"), table("c", "a"), table("self", "self")]
    findings = review_metadata(tables[0].metadata, [])
    assert [(finding.code, finding.message) for finding in findings] == [
        ("CLN509", "foreign keys form a cycle: a -> b -> c -> a")
    ]


def test_a_database_is_reviewed(db: Database) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql(
            "CREATE TABLE child (id INTEGER PRIMARY KEY, name TEXT,"
            " parent_id INTEGER REFERENCES parent (id))"
        )
    with db.engine.connect() as connection:
        findings = review_database(connection, ["The database lacks the table x"])
    assert [(finding.code, finding.path, finding.message) for finding in findings][1:] == [
        ("CLN512", "child", "the foreign key `parent_id` has no index")
    ]
    assert (findings[0].code, findings[0].message) == ("CLN510", "The database lacks the table x")


def test_the_statistics_of_postgresql_are_read(db: Database) -> None:
    if db.url.backend != "postgresql":
        pytest.skip("only PostgreSQL has these statistics")
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE TABLE big (id SERIAL PRIMARY KEY, name TEXT)")
        connection.exec_driver_sql("CREATE INDEX big_name ON big (name)")
        connection.exec_driver_sql(
            "INSERT INTO big (name) SELECT 'x' FROM generate_series(1, 2000)"
        )
        for _ in range(110):
            connection.exec_driver_sql("SELECT count(*) FROM big WHERE id + 1 = 0")
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        connection.exec_driver_sql("ANALYZE big")
        findings = review_database(connection)
        messages = {finding.code: finding.message for finding in findings}
        connection.exec_driver_sql("DROP TABLE big")
    assert messages["CLN511"].startswith("the index `big_name` (")
    assert messages["CLN512"].startswith("`big` (2,000 rows) had 1")
