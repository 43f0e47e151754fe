"""The history of an adopted database creates the same tables in an empty database."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from colonnade import Database, Resource, select
from colonnade.migrations import (
    Adoption,
    adopt_database,
    find_drift,
    migrate_to,
    stamp,
    write_adopted_history,
)
from tests.migrations.lab import Lab
from tests.migrations.test_adoption import IMPORTED, adopt_and_compare
from tests.resources.sample_app import serving


@pytest.fixture
def empty(db: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Another database of the same kind."""
    is_server = db.url.backend == "postgresql"
    url = request.getfixturevalue("postgresql_database") if is_server else f"sqlite:///{tmp_path}/e"
    database = Database(url)
    yield database
    database.dispose()


def adopt_with_history(lab: Lab, empty: Database, *schemas: str) -> tuple[Adoption, str]:
    """Adopt a database; models, history, database and an upgraded empty database agree.

    Returns the adoption, and the source of the history.
    """
    adoption, changes = adopt_and_compare(lab.db, *schemas)
    assert changes == []
    lab.reopen()
    metadata = lab.history.config.attributes["metadata"]
    paths = write_adopted_history(lab.history, lab.db.direct, metadata, adoption)
    stamp(lab.history, lab.db, "head")
    migrate_to(lab.history, empty, "upgrade", "head")
    for database in (lab.db, empty):
        assert list(find_drift(lab.history, database, metadata, url=lab.db.direct)) == []
    again, _ = adopt_and_compare(empty, *schemas)
    assert again.source == adoption.source
    migrate_to(lab.history, empty, "downgrade", "base", guarded=False)
    return adoption, "\n".join(path.read_text() for path in paths)


def require_vector(lab: Lab) -> None:
    """Skip if the server does not have pgvector."""
    if not lab.rows("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("the server does not have the extension vector")


SQLITE = """CREATE TABLE t (id INTEGER PRIMARY KEY, a NVARCHAR(5), b CHAR(3) NOT NULL, c REAL,
d TIMESTAMP NOT NULL, e DECIMAL(10, 2), f DATETIME, g NCHAR(2), h DOUBLE, i DECIMAL(30, 12))"""
POSTGRESQL = """CREATE TABLE t (id INTEGER PRIMARY KEY, a CHAR(3), b REAL NOT NULL, c TIMESTAMP(3),
d TIMESTAMPTZ(0) NOT NULL, e TIME(2), f CHAR(4)[], g REAL[], h INTERVAL(3), j BIT(3),
k TIMETZ, l VARCHAR(7), m NUMERIC(30, 12), n TIMESTAMP(3)[])"""


def test_a_primary_key_keeps_its_order(lab: Lab, empty: Database) -> None:
    lab.run(
        "CREATE TABLE p (a INTEGER NOT NULL, b VARCHAR(5), c INTEGER, PRIMARY KEY (c, b, a))",
        """CREATE TABLE q (id INTEGER PRIMARY KEY, x INTEGER, y VARCHAR(5), z INTEGER,
        FOREIGN KEY (z, y, x) REFERENCES p (c, b, a))""",
    )
    adopt_with_history(lab, empty)
    key = inspect(lab.db.engine).get_pk_constraint("p")
    assert key["constrained_columns"] == ["c", "b", "a"]
    model: Any = IMPORTED["P"]
    with lab.db.session() as session:
        session.add(model(a=1, b="two", c=3))
        session.commit()
        assert session.get_one(model, (3, "two", 1)).a == 1
    with serving(Resource(model, lab.db)) as client:
        (row,) = client.get("/ps").json()
        assert row == {"a": 1, "b": "two", "c": 3}
        created = client.post("/ps", json={"a": 4, "b": "5", "c": 6})
        assert client.get(created.headers["Location"]).json()["a"] == 4


@pytest.mark.slow
def test_the_history_keeps_types(lab: Lab, empty: Database) -> None:
    lab.run(POSTGRESQL if lab.db.url.backend == "postgresql" else SQLITE)
    adoption, _ = adopt_with_history(lab, empty)
    assert adoption.notes == ()


# Alembic sorts the tables of both sides, and ignores cyclic foreign keys.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Cannot correctly sort tables")
def test_tables_may_refer_to_each_other(lab: Lab, empty: Database) -> None:
    if lab.db.url.backend == "postgresql":
        lab.run(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER)",
            "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id))",
            "ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b_id) REFERENCES b (id)",
        )
    else:
        lab.run(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER REFERENCES b (id))",
            "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id))",
        )
    adopt_with_history(lab, empty)


@pytest.mark.slow
@pytest.mark.only_on("postgresql")
@pytest.mark.filterwarnings("ignore:Did not recognize type")
def test_the_history_keeps_a_type_that_models_cannot_declare(lab: Lab, empty: Database) -> None:
    require_vector(lab)
    lab.run(
        "CREATE EXTENSION vector",
        """CREATE TABLE t (id INTEGER PRIMARY KEY, b XML, "größe" POINT DEFAULT '(1,2)',
        v vector(3) NOT NULL CHECK (vector_dims(v) = 3))""",
        'CREATE INDEX nearest ON t USING gist ("größe")',
        "CREATE INDEX closest ON t USING hnsw (v vector_cosine_ops)",
    )
    adoption, _ = adopt_with_history(lab, empty)
    assert adoption.notes == (
        "Models cannot declare point: TEXT is used for t.größe.",
        "Models cannot declare vector(3): TEXT is used for t.v.",
        "Models cannot declare xml: TEXT is used for t.b.",
    )


@pytest.mark.only_on("postgresql")
def test_a_note_names_a_type_that_models_replace(lab: Lab) -> None:
    lab.run('CREATE TABLE t (id INTEGER PRIMARY KEY, a "char")')
    adoption, _ = adopt_and_compare(lab.db)
    assert adoption.notes == ('Models cannot declare "char": VARCHAR is used for t.a.',)


@pytest.mark.slow
@pytest.mark.only_on("postgresql")
def test_the_history_creates_other_objects_that_tables_need(lab: Lab, empty: Database) -> None:
    require_vector(lab)
    lab.run(
        "CREATE EXTENSION vector",
        "CREATE FUNCTION double(x integer) RETURNS integer LANGUAGE sql IMMUTABLE AS\n'SELECT 2*x'",
        'CREATE DOMAIN "Year" AS integer DEFAULT 2000 CHECK (VALUE > 1900)',
        "CREATE DOMAIN code AS varchar(5) NOT NULL CONSTRAINT filled CHECK (VALUE <> '\\:x')",
        "CREATE SEQUENCE shared START WITH 100 INCREMENT BY 5 CYCLE",
        "CREATE SEQUENCE apart AS smallint",
        """CREATE TABLE t (id SERIAL PRIMARY KEY, n BIGINT DEFAULT nextval('shared'), m SERIAL,
        y "Year", c code, d INTEGER DEFAULT double(21), CHECK (double(n::int) > 0),
        CHECK (vector_dims('[1,2]'::vector) = 2))""",
        "CREATE TABLE s (id INTEGER PRIMARY KEY DEFAULT nextval('shared'))",
        "CREATE TABLE u (a INTEGER, id SERIAL, PRIMARY KEY (a, id))",
        "CREATE TABLE v (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
    )
    adoption, source = adopt_with_history(lab, empty)
    assert adoption.notes == ()
    for sql in (
        "CREATE EXTENSION IF NOT EXISTS vector",
        "CREATE SEQUENCE shared INCREMENT BY 5 START WITH 100 CYCLE",
        "CREATE SEQUENCE apart AS smallint",
        "ALTER SEQUENCE t_m_seq OWNED BY t.m",
    ):
        assert sql in source
    assert "t_id_seq" not in source  # SERIAL creates it
    assert "id: int | None = Field(default=None, primary_key=True)\n    n: int" in adoption.source


@pytest.mark.slow
@pytest.mark.only_on("postgresql")
def test_tables_of_several_schemas_are_adopted(lab: Lab, empty: Database) -> None:
    lab.run(
        "CREATE SCHEMA person",
        "CREATE SCHEMA sales",
        "CREATE DOMAIN full_name AS varchar(50)",
        "CREATE TABLE person.person (id SERIAL PRIMARY KEY, first full_name NOT NULL)",
        "CREATE TABLE person.store (id SERIAL PRIMARY KEY)",
        """CREATE TABLE sales.store (id INTEGER PRIMARY KEY REFERENCES person.store (id),
        owner_id INTEGER NOT NULL REFERENCES person.person (id))""",
    )
    adoption, _ = adopt_with_history(lab, empty, "person", "sales")
    assert set(adoption.models) == {"Person", "PersonStore", "SalesStore"}
    assert 'owner: Optional["Person"] = Relationship(back_populates="stores")' in adoption.source


@pytest.mark.only_on("postgresql")
def test_an_error_names_the_schemas_that_have_tables(lab: Lab) -> None:
    from colonnade.errors import MigrationError

    lab.run("CREATE SCHEMA person", "CREATE TABLE person.person (id SERIAL PRIMARY KEY)")
    with pytest.raises(
        MigrationError, match=r"schemas have tables: person. Adopt them with --schema"
    ):
        adopt_database(lab.db)


@pytest.mark.only_on("postgresql")
def test_notes_name_the_objects_that_are_left_out_on_postgresql(lab: Lab) -> None:
    lab.run(
        "CREATE TABLE p (id INTEGER, d DATE, PRIMARY KEY (d, id)) PARTITION BY RANGE (d)",
        "CREATE TABLE p_2020 PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "CREATE TABLE t (id SERIAL PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&))",
        "CREATE VIEW v AS SELECT id FROM t",
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER touched BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE POLICY own ON t USING (id > 1)",
        "CREATE RULE quiet AS ON DELETE TO t DO INSTEAD NOTHING",
        "CREATE TABLE child () INHERITS (t)",
    )
    adoption, _ = adopt_and_compare(lab.db)
    assert adoption.models == ("P", "T")
    assert set(adoption.notes) == {
        "The table child is left out, because it has no primary key.",
        "p is partitioned by RANGE (d) into p_2020: its model is one table without partitions.",
        "Views are left out: m, v.",
        "Triggers are left out: t.touched.",
        "Rules are left out: t.quiet.",
        "Row-level security policies are left out: t.own.",
        "Exclusion constraints are left out: t.t_r_excl.",
        "Inherited tables are left out: child (of t).",
    }


@pytest.mark.only_on("sqlite")
def test_notes_name_the_objects_that_are_left_out_on_sqlite(lab: Lab) -> None:
    lab.run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE VIEW v AS SELECT id FROM t",
        "CREATE TRIGGER touched AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE found USING fts5 (name)",
        "CREATE VIRTUAL TABLE boxes USING rtree (id, x, y)",
        "CREATE TABLE found_by (id INTEGER PRIMARY KEY)",
    )
    adoption, _ = adopt_and_compare(lab.db)
    assert set(adoption.models) == {"T", "FoundBy"}
    assert adoption.notes == ("Views are left out: v.", "Triggers are left out: t.touched.")


@pytest.mark.only_on("sqlite")
def test_a_model_reads_text_from_a_column_with_numeric_affinity(lab: Lab) -> None:
    lab.run("CREATE TABLE t (id INTEGER PRIMARY KEY, u UUID, m MONEY)")
    adopt_and_compare(lab.db)
    model: Any = IMPORTED["T"]
    with lab.db.session() as session:
        session.add_all([model(u="1234", m=Decimal("1.5")), model(u="7b1c-4")])
        session.commit()
    with lab.db.session() as session:
        assert session.exec(select(model.u).order_by(model.id)).all() == ["1234", "7b1c-4"]
        assert session.exec(select(model.id).where(model.u == "1234")).all() == [1]
