"""Models are written for a database that has tables but no code."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlmodel
from sqlmodel.main import default_registry

from colonnade import Database, Resource, SQLModel
from colonnade.migrations import Adoption, models_source
from colonnade.migrations._environment import migration_connection
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.autogenerate._drift import differences
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from tests.migrations.lab import Lab
from tests.migrations.test_column_types import every_type, postgresql_types
from tests.resources.sample_app import serving


def adopt(db: Database) -> tuple[Adoption, list[str]]:
    """Adopt a database twice; the adoption, and what differs from the imported models."""
    SQLModel.metadata.clear()
    default_registry.dispose()
    with migration_connection(db) as connection:
        adoption = models_source(connection)
        connection.rollback()
        module: dict[str, object] = {"__name__": "adopted"}
        exec(compile(adoption.source, "adopted.py", "exec"), module)
        default_registry.configure()
        operations = differences(connection, SQLModel.metadata, schema_history=SchemaHistory())
        changes = [change for change in map(describe, operations) if change != "drop heap"]
        adoption_again = models_source(connection)
    assert adoption_again == adoption
    return adoption, changes


@pytest.fixture
def assert_ruff_passes(tmp_path: Path) -> Callable[[str], None]:
    def check(source: str) -> None:
        path = tmp_path / "tables.py"
        path.write_text(source)
        for command in (["format", "--diff"], ["check", "--select", "F,I,E,W"]):
            process = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--line-length", "100", "--isolated",
                 str(path)],
                cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert process.returncode == 0, process.stdout

    return check


def test_an_empty_database_has_no_models(db: Database) -> None:
    adoption, changes = adopt(db)
    assert (adoption.models, changes) == ((), [])


def test_every_type_of_column_is_adopted(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    lab.models(every_type)
    lab.db.create_all()
    adoption, changes = adopt(lab.db)
    assert changes == []
    assert 'status: Literal["open", "it\'s", "a:b", "50%", \'q"\']' in adoption.source
    assert "    number: int = Field(ge=-5, lt=10)" in adoption.source
    assert adoption.notes == ()
    assert_ruff_passes(adoption.source)


def test_types_of_postgresql_are_adopted(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("only PostgreSQL has these types")
    lab.models(postgresql_types)
    lab.db.create_all()
    adoption, changes = adopt(lab.db)
    assert changes == []
    assert_ruff_passes(adoption.source)


PLAIN = (
    "CREATE TABLE author (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL UNIQUE)",
    """CREATE TABLE book (
        id INTEGER PRIMARY KEY, title TEXT NOT NULL DEFAULT 'untitled',
        author_id INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
        editor_id INTEGER REFERENCES author (id), sequel_of INTEGER REFERENCES book (id),
        pages INTEGER CHECK (pages > 0), "class" VARCHAR, price NUMERIC(10, 2)
    )""",
    "CREATE TABLE tag (name VARCHAR PRIMARY KEY)",
    """CREATE TABLE book_tag (
        book_id INTEGER REFERENCES book (id), tag_name VARCHAR REFERENCES tag (name),
        PRIMARY KEY (book_id, tag_name)
    )""",
    "CREATE TABLE heap (a INTEGER)",
    "CREATE INDEX some_name ON book (title, pages)",
    "CREATE UNIQUE INDEX once ON book (lower(title))",
)


def test_tables_of_another_project_are_adopted(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    lab.run(*PLAIN)
    adoption, changes = adopt(lab.db)
    assert changes == []
    assert adoption.notes == ("The table heap is left out, because it has no primary key.",)
    assert set(adoption.models) == {"Author", "Book", "Tag", "BookTag"}
    assert "CASCADE" in adoption.source
    assert 'tags: list["Tag"] = Relationship(back_populates="books", link_model=BookTag)' in (
        adoption.source
    )
    assert_ruff_passes(adoption.source)


def test_the_models_of_the_project_template_are_adopted(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    import colonnade.templates

    models = Path(colonnade.templates.__file__).parent / "tasks/app/models.py"

    def template_models() -> None:
        exec(models.read_text(), {"__name__": "template"})

    lab.models(template_models)
    lab.db.create_all()
    adoption, changes = adopt(lab.db)
    assert changes == []
    for line in (
        "class Task(Timestamps, table=True):",
        "    title: str = Field(index=True, min_length=1, max_length=200)",
        '    labels: list["Label"] = Relationship(back_populates="tasks", link_model=Tasklabel)',
    ):
        assert line in adoption.source.replace("taskassignments", "assignments")
    assert_ruff_passes(adoption.source)


def test_adopted_models_read_and_write_existing_rows(lab: Lab) -> None:
    lab.run(*PLAIN)
    lab.run("INSERT INTO author (id, name) VALUES (1, 'Ana')")
    lab.run("INSERT INTO book (id, author_id) VALUES (7, 1)")
    adopt(lab.db)
    book = next(m.class_ for m in default_registry.mappers if m.class_.__name__ == "Book")
    with lab.db.session() as session:
        row = session.get(book, 7)
        assert row is not None
        assert row.title == "untitled"
        assert row.author.name == "Ana"
        row.title = "titled"
        session.add(book(id=8, author_id=1))
        session.commit()
    assert lab.rows("SELECT count(*) FROM book WHERE title = 'untitled'") == [(1,)]


IMPORTED: dict[str, object] = {}
"""The namespace of the adopted module, which keeps its classes alive."""


def adopt_and_compare(db: Database, *schemas: str) -> tuple[Adoption, list[str]]:
    """Adopt a database; the adoption, and what differs from the imported models."""
    SQLModel.metadata.clear()
    default_registry.dispose()
    with migration_connection(db) as connection:
        adoption = models_source(connection, *schemas)
        connection.rollback()
        IMPORTED.clear()
        IMPORTED["__name__"] = "adopted"
        exec(compile(adoption.source, "adopted.py", "exec"), IMPORTED)
        default_registry.configure()
        operations = differences(connection, SQLModel.metadata, schema_history=SchemaHistory())
        return adoption, [describe(operation) for operation in operations]


EVERYWHERE = {
    "composite keys": (
        "CREATE TABLE p (a INTEGER NOT NULL, b VARCHAR(10) NOT NULL, PRIMARY KEY (a, b))",
        """CREATE TABLE c (id INTEGER PRIMARY KEY, x INTEGER, y VARCHAR(10), CONSTRAINT other
        FOREIGN KEY (x, y) REFERENCES p (a, b) ON DELETE CASCADE ON UPDATE CASCADE)""",
    ),
    "uniques and indexes": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b VARCHAR,
        CONSTRAINT one UNIQUE (a), CONSTRAINT two UNIQUE (a, b), CONSTRAINT uq_t_b UNIQUE (b))""",
        "CREATE UNIQUE INDEX ix_t_b ON t (b)",
        "CREATE INDEX ix_t_a ON t (a)",
        "CREATE INDEX part ON t (a) WHERE b = 'x:y'",
        "CREATE INDEX e ON t (lower(b), a)",
        "CREATE UNIQUE INDEX f ON t (a, lower(b)) WHERE a > 1",
    ),
    "types": (
        """CREATE TABLE t (id BIGINT PRIMARY KEY, a SMALLINT, b BIGINT NOT NULL, c REAL,
        d DOUBLE PRECISION, e NUMERIC(12, 2) NOT NULL, f NUMERIC(30, 10), g NUMERIC, h DATE, i TIME,
        j TIMESTAMP, k CHAR(3), l VARCHAR(5), m TEXT, n BOOLEAN NOT NULL, q VARCHAR)""",
    ),
    "defaults": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL DEFAULT 3,
        b VARCHAR NOT NULL DEFAULT 'it''s: 50%', c BOOLEAN NOT NULL DEFAULT false,
        d TIMESTAMP DEFAULT CURRENT_TIMESTAMP, e NUMERIC(5, 2) DEFAULT 1.50)""",
    ),
    "checks": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b VARCHAR, n NUMERIC(8, 2),
        s VARCHAR(9) NOT NULL, CONSTRAINT rule CHECK (a <> 5 OR b LIKE 'x:%'),
        CONSTRAINT ck_t_a_ge CHECK (a >= -5), CONSTRAINT ck_t_a_lt CHECK (a < 10 AND a <> 2),
        CONSTRAINT ck_t_n_gt CHECK (n > 0.50),
        CONSTRAINT ck_t_b_values CHECK (b IN ('x', 'y''s', 'a, b')),
        CONSTRAINT ck_t_s_values CHECK (s <> 'x'), CONSTRAINT which CHECK (s IN ('a', 'b')))""",
    ),
    "odd names": (
        """CREATE TABLE "odd table" (id INTEGER PRIMARY KEY, "class" INTEGER, "a b" INTEGER,
        metadata VARCHAR, "1st" INTEGER, "_x" INTEGER, "select" INTEGER, "X" INTEGER,
        "it's" INTEGER)""",
        'CREATE TABLE "class" (id INTEGER PRIMARY KEY, "o d" INTEGER REFERENCES "odd table" (id))',
        'CREATE INDEX "ix odd" ON "odd table" ("a b")',
    ),
    "names that shadow imports": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, "date" DATE, "other" DATE, "int" INTEGER,
        "datetime" TIMESTAMP, "Field" INTEGER, "text" VARCHAR DEFAULT 'x', "str" VARCHAR)""",
        'CREATE TABLE field (id INTEGER PRIMARY KEY, "text" VARCHAR)',
        'CREATE TABLE "any" (id INTEGER PRIMARY KEY)',
        'CREATE TABLE o (id INTEGER PRIMARY KEY, any_id INTEGER REFERENCES "any" (id))',
    ),
    "relationships of the same name": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY, books INTEGER)",
        """CREATE TABLE book (id INTEGER PRIMARY KEY, a INTEGER, a_id INTEGER REFERENCES a (id),
        class_id INTEGER REFERENCES a (id), metadata_id INTEGER REFERENCES a (id),
        parent_id INTEGER REFERENCES book (id), other_id INTEGER REFERENCES book (id))""",
    ),
    "links": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY)",
        """CREATE TABLE ab (a_id INTEGER REFERENCES a (id), b_id INTEGER REFERENCES b (id),
        PRIMARY KEY (a_id, b_id))""",
        """CREATE TABLE ba (a_id INTEGER REFERENCES a (id), b_id INTEGER REFERENCES b (id),
        PRIMARY KEY (a_id, b_id))""",
        """CREATE TABLE aa (a_id INTEGER REFERENCES a (id), c_id INTEGER REFERENCES a (id),
        PRIMARY KEY (a_id, c_id))""",
    ),
    "keys that share a column": (
        "CREATE TABLE t (n INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (n, id))",
        """CREATE TABLE s (n INTEGER NOT NULL, id INTEGER NOT NULL, t_id INTEGER, u_id INTEGER,
        PRIMARY KEY (n, id), FOREIGN KEY (n, t_id) REFERENCES t (n, id),
        FOREIGN KEY (n, u_id) REFERENCES t (n, id))""",
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE d (id INTEGER PRIMARY KEY REFERENCES a (id) ON DELETE CASCADE)",
    ),
    "the version table": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
    ),
}
POSTGRESQL = {
    "types": (
        "CREATE TYPE mood AS ENUM ('sad', 'it''s')",
        """CREATE TABLE t (id SERIAL PRIMARY KEY, a TIMESTAMPTZ, b TIMESTAMP, c JSON,
        d JSONB NOT NULL, e UUID, f BYTEA, g INTERVAL, h INET, j TSVECTOR, k TEXT[], l INTEGER[],
        m mood, n VARCHAR(5)[], o MONEY, q INT4RANGE, r BIT(3), s TIMESTAMPTZ(3),
        u TIME WITH TIME ZONE, x INTERVAL(2), y NUMERIC(5, 2)[], z TIMESTAMPTZ[], w mood[])""",
    ),
    "generated values": (
        """CREATE TABLE t (b INTEGER, id BIGINT GENERATED ALWAYS AS IDENTITY
        (START WITH 10 INCREMENT BY 5) PRIMARY KEY)""",
        "CREATE TABLE u (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), a DATE DEFAULT now())",
        "CREATE TABLE w (id BIGSERIAL PRIMARY KEY, n SERIAL)",
        """CREATE TABLE c (id INTEGER PRIMARY KEY, a VARCHAR,
        b VARCHAR GENERATED ALWAYS AS (lower(a)) STORED)""",
    ),
    "indexes and comments": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a JSONB, b TEXT, c INTEGER)",
        "CREATE INDEX g ON t USING gin (a jsonb_path_ops)",
        "CREATE INDEX i ON t (c) INCLUDE (b)",
        "CREATE UNIQUE INDEX n ON t (c) NULLS NOT DISTINCT",
        "CREATE INDEX d ON t (c DESC NULLS LAST)",
        """COMMENT ON TABLE t IS 'it''s "it"'""",
        "COMMENT ON COLUMN t.a IS 'one: 50%'",
    ),
    "constraints": (
        "CREATE DOMAIN whole AS INTEGER CHECK (VALUE > 0)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, a whole)",
        """CREATE TABLE t (id INTEGER PRIMARY KEY, u INTEGER, p_id INTEGER REFERENCES p (id)
        DEFERRABLE INITIALLY DEFERRED, CONSTRAINT late UNIQUE (u) DEFERRABLE)""",
    ),
    "a cycle": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id))",
        "ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b (id)",
    ),
}
SQLITE = {
    "types": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a DATETIME, b JSON, c BLOB,
        d CHAR(32), e FLOAT, f DOUBLE, g NVARCHAR(5), j TIMESTAMP NOT NULL)""",
    ),
    "generated values": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR,
        b VARCHAR GENERATED ALWAYS AS (lower(a)) STORED, c INTEGER AS (id + 1))""",
        "CREATE TABLE s (id TEXT PRIMARY KEY, a INTEGER CHECK (a > 1)) WITHOUT ROWID",
    ),
    "a cycle": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER REFERENCES b (id))",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a)",
    ),
}
SCHEMAS = [
    pytest.param(backend, statements, id=f"{backend or 'everywhere'}: {name}")
    for backend, schemas in ((None, EVERYWHERE), ("postgresql", POSTGRESQL), ("sqlite", SQLITE))
    for name, statements in schemas.items()
]


@pytest.mark.parametrize(("backend", "statements"), SCHEMAS)
def test_adopted_models_match_the_database(
    lab: Lab,
    backend: str | None,
    statements: tuple[str, ...],
    assert_ruff_passes: Callable[[str], None],
) -> None:
    if backend not in (None, lab.db.url.backend):
        pytest.skip(f"only for {backend}")
    lab.run(*(statement.replace(":", "\\:") for statement in statements))
    adoption, changes = adopt_and_compare(lab.db)
    assert (changes, adoption.notes) == ([], ())
    assert_ruff_passes(adoption.source)


def test_adopted_columns_of_postgresql_are_served(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("only PostgreSQL has these types")
    lab.run(
        "CREATE DOMAIN whole AS INTEGER CHECK (VALUE > 0)",
        """CREATE TABLE host (id SERIAL PRIMARY KEY, address INET, network CIDR, card MACADDR,
        leased TSTZRANGE, days DATEMULTIRANGE, ports INT4RANGE[], names TEXT[], others INET[],
        pause INTERVAL, weight whole, words TSVECTOR, parts BYTEA[])""",
    )
    adoption, changes = adopt_and_compare(lab.db)
    assert changes == []
    assert "    leased: Range[datetime] | None" in adoption.source
    assert "    words: Any = Field(default=None, nullable=True, readonly=True" in adoption.source
    assert_ruff_passes(adoption.source)
    values = {
        "address": "10.0.0.1/8", "network": "10.0.0.0/8", "card": "08:00:2b:01:02:03",
        "leased": {"lower": "2026-01-01T00:00:00Z", "upper": None, "bounds": "[)", "empty": False},
        "days": [{"lower": "2026-01-01", "upper": "2026-02-01", "bounds": "[)", "empty": False}],
        "ports": [{"lower": 80, "upper": 90, "bounds": "[)", "empty": False}],
        "names": ["a"], "others": ["::1", "10.0.0.1"], "pause": "P1D", "weight": 5,
    }  # fmt: skip
    host: Any = IMPORTED["Host"]
    with serving(Resource(host, lab.db)) as client:
        created = client.post("/hosts", json=values)
        assert created.status_code == 201, created.text
        assert created.json() == {"id": 1, **values, "words": None, "parts": None}
        lab.run("UPDATE host SET words = 'b a', parts = ARRAY['a'\\:\\:bytea]")
        row = client.get("/hosts/1").json()
        assert (row["words"], row["parts"]) == ("'a' 'b'", ["\\x61"])
        assert client.patch("/hosts/1", json={"words": "c"}).status_code == 422


def test_tables_of_models_become_the_same_models(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    lab.models(every_type)
    lab.db.create_all()
    adoption, changes = adopt_and_compare(lab.db)
    assert (changes, adoption.notes) == ([], ())
    for line in (
        "class Everything(Timestamps, table=True):",
        '    status: Literal["open", "it\'s", "a:b", "50%", \'q"\']',
        "    number: int = Field(ge=-5, lt=10)",
        "    short: str = Field(index=True, min_length=2, max_length=20)",
        "    step: Literal[1, 2]",
        "    money: Decimal = Field(ge=0, max_digits=12, decimal_places=2)",
    ):
        assert line in adoption.source
    assert_ruff_passes(adoption.source)


def relations() -> set[tuple[str, ...]]:
    """The relationships: source, target, direction and link table."""
    return {
        (
            str(relation.parent.local_table),
            str(relation.mapper.local_table),
            relation.direction.name,
            str(relation.secondary),
        )
        for mapper in default_registry.mappers
        for relation in mapper.relationships
        if not relation.viewonly
    }


def columns() -> dict[str, tuple[bool | None, bool]]:
    """For each column, whether it is nullable and part of the primary key."""
    tables = SQLModel.metadata.tables.values()
    return {str(c): (c.nullable, c.primary_key) for table in tables for c in table.columns}


def test_the_adopted_template_has_the_same_columns_and_relationships(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    import colonnade.templates

    models = Path(colonnade.templates.__file__).parent / "tasks/app/models.py"
    lab.models(lambda: exec(models.read_text(), {"__name__": "template"}))
    lab.db.create_all()
    expected = (columns(), relations())
    adoption, changes = adopt_and_compare(lab.db)
    assert (changes, adoption.notes) == ([], ())
    assert (columns(), relations()) == expected
    assert_ruff_passes(adoption.source)


def test_tables_of_plain_sqlmodel_are_adopted(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    def stock() -> None:
        class Team(sqlmodel.SQLModel, table=True):
            id: int | None = sqlmodel.Field(default=None, primary_key=True)
            name: str = sqlmodel.Field(index=True)

        class Hero(sqlmodel.SQLModel, table=True):
            id: int | None = sqlmodel.Field(default=None, primary_key=True)
            name: str = sqlmodel.Field(max_length=50)
            age: int | None = None
            team_id: int | None = sqlmodel.Field(default=None, foreign_key="team.id")

    lab.models(stock)
    lab.db.create_all()
    adoption, changes = adopt_and_compare(lab.db)
    assert (changes, adoption.notes, adoption.models) == ([], (), ("Team", "Hero"))
    assert "    name: str = Field(sa_type=String(50))" in adoption.source
    assert_ruff_passes(adoption.source)


def test_an_empty_database_becomes_an_empty_module(
    db: Database, assert_ruff_passes: Callable[[str], None]
) -> None:
    adoption, changes = adopt_and_compare(db)
    assert (adoption.models, adoption.notes, changes) == ((), (), [])
    assert_ruff_passes(adoption.source)


def test_notes_name_tables_and_foreign_keys_that_are_left_out(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    lab.run(
        "CREATE TABLE heap (a INTEGER, CONSTRAINT uq_heap_a UNIQUE (a))",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES heap (a))",
    )
    adoption, _ = adopt_and_compare(lab.db)
    assert adoption.notes == (
        "The table heap is left out, because it has no primary key.",
        "The foreign key of b (a) is left out, because its target heap has no model.",
    )
    assert_ruff_passes(adoption.source)


def test_notes_name_unknown_types_of_sqlite(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    if lab.db.url.backend != "sqlite":
        pytest.skip("only SQLite accepts any type")
    lab.run("CREATE TABLE t (id INT PRIMARY KEY, a WEIRD, b, c VARCHAR(5) UNIQUE, d INT)")
    adoption, _ = adopt_and_compare(lab.db)
    assert adoption.notes == (
        "Models cannot declare INT: INTEGER is used for t.id, t.d.",
        "Models cannot declare WEIRD: TEXT is used for t.a.",
        "Models cannot declare no type: TEXT is used for t.b.",
    )
    assert "c: str | None = Field(default=None, unique=True, sa_type=String(5))" in adoption.source
    assert_ruff_passes(adoption.source)


def test_tables_of_another_schema_are_adopted(
    lab: Lab, assert_ruff_passes: Callable[[str], None]
) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("only PostgreSQL has schemas")
    lab.run(
        "CREATE SCHEMA apart",
        "CREATE TABLE apart.p (id SERIAL PRIMARY KEY, name VARCHAR(9) UNIQUE)",
        "CREATE TABLE apart.c (id SERIAL PRIMARY KEY, p_id INTEGER REFERENCES apart.p (id))",
    )
    adoption, changes = adopt_and_compare(lab.db, "apart")
    assert (changes, adoption.notes, adoption.models) == ([], (), ("P", "C"))
    assert_ruff_passes(adoption.source)


def test_adopted_models_write_related_rows(lab: Lab) -> None:
    lab.run(*PLAIN)
    adopt_and_compare(lab.db)
    models: dict[str, Any] = IMPORTED
    with lab.db.session() as session:
        author, tag = models["Author"](id=1, name="Ana"), models["Tag"](name="new")
        session.add(models["Book"](id=7, author=author, tags=[tag]))
        session.commit()
        book = session.get(models["Book"], 7)
        assert book is not None
        assert (book.title, book.author.name) == ("untitled", "Ana")
        assert [tag.name for tag in book.tags] == ["new"]
