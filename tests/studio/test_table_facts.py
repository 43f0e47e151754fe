"""What the schema page says about a table."""

from typing import Any

import pytest

from colonnade import (
    BigInteger,
    CheckConstraint,
    Database,
    Field,
    Index,
    SQLModel,
    Timestamps,
    text,
)
from colonnade.studio._table_facts import TableFacts, table_facts


def facts_of(db: Database, model: Any, *hidden: str, with_size: bool = True) -> TableFacts:
    with db.engine.connect() as connection:
        return table_facts(connection, model.__table__, hidden, {"team": []}, with_size=with_size)


@pytest.fixture
def model(db: Database) -> Any:
    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Task(Timestamps, table=True):
        __table_args__ = (
            Index(
                "ix_open", "title", sqlite_where=text("pay > 3"), postgresql_where=text("pay > 3")
            ),
            Index("ix_title_pay", "title", "pay", unique=True),
            CheckConstraint("pay < 1000", name="ck_pay"),
        )
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(unique=True)
        pay: int = Field(default=0, ge=0)
        team_id: int | None = Field(default=None, foreign_key="team.id", ondelete="CASCADE")

    assert Team.__tablename__ == "team"
    db.create_all()
    return Task


def test_columns_constraints_and_indexes_are_those_of_the_database(
    db: Database, model: Any
) -> None:
    facts = facts_of(db, model)
    columns = {column.name: column for column in facts.columns}
    assert (columns["id"].key, columns["team_id"].key, columns["title"].key) == ("PK", "FK", "")
    assert (columns["title"].nullable, columns["team_id"].nullable) == (False, True)
    constraints = dict(facts.constraints)
    assert constraints["uq_task_title"] == "UNIQUE (title)"
    foreign_key = "FOREIGN KEY (team_id) REFERENCES team (id) ON DELETE CASCADE"
    assert constraints["fk_task_team_id_team"] == foreign_key
    assert "1000" in constraints["ck_pay"]
    indexes = dict(facts.indexes)
    assert indexes["ix_title_pay"] == "UNIQUE btree (title, pay)"
    assert indexes["ix_open"].startswith("btree (title) WHERE")


def test_a_hidden_column_is_in_no_definition(db: Database, model: Any) -> None:
    facts = facts_of(db, model, "pay")
    assert "pay" not in str(facts)
    assert "title" in str(facts.constraints)


def test_rows_are_estimated_without_counting(db: Database, model: Any) -> None:
    with db.session() as session:
        session.add_all([model(title=str(number)) for number in range(50)])
        session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    facts = facts_of(db, model)
    assert facts.rows == 50
    assert (facts.size is None) == (db.url.backend == "sqlite")
    assert facts_of(db, model, with_size=False).rows is None


def test_a_table_that_is_not_there_is_said_so(db: Database) -> None:
    class Missing(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    assert facts_of(db, Missing) == TableFacts(exists=False)


def test_rows_are_not_estimated_by_keys_or_partial_indexes(db: Database) -> None:
    class Snow(SQLModel, table=True):
        __table_args__ = (
            Index(
                "ix_few",
                "rowid",
                sqlite_where=text("rowid < 3"),
                postgresql_where=text("rowid < 3"),
            ),
        )
        id: int = Field(primary_key=True, sa_type=BigInteger)
        rowid: int

    db.create_all()
    with db.session() as session:
        session.add_all([Snow(id=2**60 + n, rowid=n) for n in range(50)])
        session.commit()
    assert facts_of(db, Snow).rows is None
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    assert facts_of(db, Snow).rows in {50, None}
