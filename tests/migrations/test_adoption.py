"""Models of a database that has tables and no code."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlmodel
from sqlmodel.main import default_registry

from colonnade import Database, SQLModel
from colonnade.migrations import Adoption, models_source
from colonnade.migrations._environment import opened
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.autogenerate._drift import differences
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from tests.migrations.lab import Lab
from tests.migrations.test_column_kinds import every_kind, postgresql_kinds


def adopt(db: Database) -> tuple[Adoption, list[str]]:
    """The source, imported; and what is different from the database."""
    SQLModel.metadata.clear()
    default_registry.dispose()
    with opened(db) as connection:
        adoption = models_source(connection)
        connection.rollback()
        module: dict[str, object] = {"__name__": "adopted"}
        exec(compile(adoption.source, "adopted.py", "exec"), module)
        default_registry.configure()
        operations = differences(connection, SQLModel.metadata, ledger=SchemaHistory())
        apart = [
            difference for difference in map(describe, operations) if difference != "drop heap"
        ]
        adoption_again = models_source(connection)
    assert adoption_again == adoption
    return adoption, apart


@pytest.fixture
def clean(tmp_path: Path) -> Callable[[str], None]:
    def check(source: str) -> None:
        path = tmp_path / "tables.py"
        path.write_text(source)
        for command in (["format", "--diff"], ["check", "--select", "F,I,E,W"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--line-length", "100", "--isolated",
                 str(path)],
                cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout

    return check


def test_an_empty_database_has_no_models(db: Database) -> None:
    adoption, apart = adopt(db)
    assert (adoption.models, apart) == ((), [])


def test_every_kind_of_column_comes_back(lab: Lab, clean: Callable[[str], None]) -> None:
    lab.models(every_kind)
    lab.db.create_all()
    adoption, apart = adopt(lab.db)
    assert apart == []
    assert 'status: Literal["open", "it\'s", "a:b", "50%", \'q"\']' in adoption.source
    assert "    number: int = Field(ge=-5, lt=10)" in adoption.source
    assert adoption.notes == ()
    clean(adoption.source)


def test_kinds_that_postgresql_alone_has(lab: Lab, clean: Callable[[str], None]) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("PostgreSQL alone has them")
    lab.models(postgresql_kinds)
    lab.db.create_all()
    adoption, apart = adopt(lab.db)
    assert apart == []
    clean(adoption.source)


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


def test_tables_of_somebody_elses_making(lab: Lab, clean: Callable[[str], None]) -> None:
    lab.run(*PLAIN)
    adoption, apart = adopt(lab.db)
    assert apart == []
    assert adoption.notes == ("heap has no primary key, and no model.",)
    assert set(adoption.models) == {"Author", "Book", "Tag", "BookTag"}
    assert "CASCADE" in adoption.source
    assert 'tags: list["Tag"] = Relationship(back_populates="books", link_model=BookTag)' in (
        adoption.source
    )
    clean(adoption.source)


def test_the_project_of_the_template_comes_back_as_it_was(
    lab: Lab, clean: Callable[[str], None]
) -> None:
    import colonnade.templates

    models = Path(colonnade.templates.__file__).parent / "project/app/models.py"

    def theirs() -> None:
        exec(models.read_text(), {"__name__": "theirs"})

    lab.models(theirs)
    lab.db.create_all()
    adoption, apart = adopt(lab.db)
    assert apart == []
    for line in (
        "class Task(Timestamps, table=True):",
        "    title: str = Field(index=True, min_length=1, max_length=200)",
        '    labels: list["Label"] = Relationship(back_populates="tasks", link_model=Tasklabel)',
    ):
        assert line in adoption.source.replace("taskassignments", "assignments")
    clean(adoption.source)


def test_rows_are_read_and_written_through_them(lab: Lab) -> None:
    lab.run(*PLAIN)
    lab.run("INSERT INTO author (id, name) VALUES (1, 'Ana')")
    lab.run("INSERT INTO book (id, author_id) VALUES (7, 1)")
    adopt(lab.db)
    book = next(m.class_ for m in default_registry.mappers if m.class_.__name__ == "Book")
    with lab.db.session() as session:
        stored = session.get(book, 7)
        assert stored is not None
        assert stored.title == "untitled"
        assert stored.author.name == "Ana"
        stored.title = "titled"
        session.add(book(id=8, author_id=1))
        session.commit()
    assert lab.rows("SELECT count(*) FROM book WHERE title = 'untitled'") == [(1,)]


KEPT: dict[str, object] = {}
"""The module that was imported last: SQLAlchemy refers to classes weakly."""


def law(db: Database, *schemas: str) -> tuple[Adoption, list[str]]:
    """What is written, imported; and what is different from the database."""
    SQLModel.metadata.clear()
    default_registry.dispose()
    with opened(db) as connection:
        adoption = models_source(connection, *schemas)
        connection.rollback()
        KEPT.clear()
        KEPT["__name__"] = "adopted"
        exec(compile(adoption.source, "adopted.py", "exec"), KEPT)
        default_registry.configure()
        operations = differences(connection, SQLModel.metadata, ledger=SchemaHistory())
        return adoption, [describe(difference) for difference in operations]


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
    "names that Python has": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, "date" DATE, "other" DATE, "int" INTEGER,
        "datetime" TIMESTAMP, "Field" INTEGER, "text" VARCHAR DEFAULT 'x', "str" VARCHAR)""",
        'CREATE TABLE field (id INTEGER PRIMARY KEY, "text" VARCHAR)',
        'CREATE TABLE "any" (id INTEGER PRIMARY KEY)',
        'CREATE TABLE o (id INTEGER PRIMARY KEY, any_id INTEGER REFERENCES "any" (id))',
    ),
    "relations of one name": (
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
    "the history's own table": (
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
    "what the database makes": (
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
    "a circle": (
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
    "what the database makes": (
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR,
        b VARCHAR GENERATED ALWAYS AS (lower(a)) STORED, c INTEGER AS (id + 1))""",
        "CREATE TABLE s (id TEXT PRIMARY KEY, a INTEGER CHECK (a > 1)) WITHOUT ROWID",
    ),
    "a circle": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER REFERENCES b (id))",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a)",
    ),
}
SCHEMAS = [
    pytest.param(backend, statements, id=f"{backend or 'everywhere'}: {name}")
    for backend, statements_of_backend in (
        (None, EVERYWHERE),
        ("postgresql", POSTGRESQL),
        ("sqlite", SQLITE),
    )
    for name, statements in statements_of_backend.items()
]


@pytest.mark.parametrize(("backend", "statements"), SCHEMAS)
def test_models_are_what_the_database_is(
    lab: Lab, backend: str | None, statements: tuple[str, ...], clean: Callable[[str], None]
) -> None:
    if backend not in (None, lab.db.url.backend):
        pytest.skip(f"{backend} alone has it")
    lab.run(*(statement.replace(":", "\\:") for statement in statements))
    adoption, apart = law(lab.db)
    assert (apart, adoption.notes) == ([], ())
    clean(adoption.source)


def test_what_models_made_is_read_as_they_said_it(lab: Lab, clean: Callable[[str], None]) -> None:
    lab.models(every_kind)
    lab.db.create_all()
    adoption, apart = law(lab.db)
    assert (apart, adoption.notes) == ([], ())
    for line in (
        "class Everything(Timestamps, table=True):",
        '    status: Literal["open", "it\'s", "a:b", "50%", \'q"\']',
        "    number: int = Field(ge=-5, lt=10)",
        "    short: str = Field(index=True, min_length=2, max_length=20)",
        "    step: Literal[1, 2]",
        "    money: Decimal = Field(ge=0, max_digits=12, decimal_places=2)",
    ):
        assert line in adoption.source
    clean(adoption.source)


def relations() -> set[tuple[str, ...]]:
    """What refers to what, how, and by which table."""
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
    """Each column: whether it takes NULL, and whether it is of the key."""
    tables = SQLModel.metadata.tables.values()
    return {str(c): (c.nullable, c.primary_key) for table in tables for c in table.columns}


def test_the_template_has_its_columns_and_relations(lab: Lab, clean: Callable[[str], None]) -> None:
    import colonnade.templates

    models = Path(colonnade.templates.__file__).parent / "project/app/models.py"
    lab.models(lambda: exec(models.read_text(), {"__name__": "theirs"}))
    lab.db.create_all()
    theirs = (columns(), relations())
    adoption, apart = law(lab.db)
    assert (apart, adoption.notes) == ([], ())
    assert (columns(), relations()) == theirs
    clean(adoption.source)


def test_tables_of_sqlmodel_itself(lab: Lab, clean: Callable[[str], None]) -> None:
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
    adoption, apart = law(lab.db)
    assert (apart, adoption.notes, adoption.models) == ([], (), ("Team", "Hero"))
    assert "    name: str = Field(sa_type=String(50))" in adoption.source
    clean(adoption.source)


def test_an_empty_database_is_an_empty_module(db: Database, clean: Callable[[str], None]) -> None:
    adoption, apart = law(db)
    assert (adoption.models, adoption.notes, apart) == ((), (), [])
    clean(adoption.source)


def test_what_cannot_be_said_is_noted(lab: Lab, clean: Callable[[str], None]) -> None:
    lab.run(
        "CREATE TABLE heap (a INTEGER, CONSTRAINT uq_heap_a UNIQUE (a))",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES heap (a))",
    )
    adoption, _ = law(lab.db)
    assert adoption.notes == (
        "heap has no primary key, and no model.",
        "b.a refers to heap, which has no model: the foreign key is left out.",
    )
    clean(adoption.source)


def test_types_of_sqlite_that_have_no_name_here(lab: Lab, clean: Callable[[str], None]) -> None:
    if lab.db.url.backend != "sqlite":
        pytest.skip("SQLite alone takes any type")
    lab.run("CREATE TABLE t (id INT PRIMARY KEY, a WEIRD, b, c VARCHAR(5) UNIQUE, d INT)")
    adoption, _ = law(lab.db)
    assert adoption.notes == (
        "Models cannot declare INT: INTEGER is used for t.id, t.d.",
        "Models cannot declare WEIRD: TEXT is used for t.a.",
        "Models cannot declare no type: TEXT is used for t.b.",
    )
    assert "c: str | None = Field(default=None, unique=True, sa_type=String(5))" in adoption.source
    clean(adoption.source)


def test_another_schema(lab: Lab, clean: Callable[[str], None]) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("PostgreSQL alone has schemas")
    lab.run(
        "CREATE SCHEMA apart",
        "CREATE TABLE apart.p (id SERIAL PRIMARY KEY, name VARCHAR(9) UNIQUE)",
        "CREATE TABLE apart.c (id SERIAL PRIMARY KEY, p_id INTEGER REFERENCES apart.p (id))",
    )
    adoption, apart = law(lab.db, "apart")
    assert (apart, adoption.notes, adoption.models) == ([], (), ("P", "C"))
    clean(adoption.source)


def test_rows_go_in_and_come_out(lab: Lab) -> None:
    lab.run(*PLAIN)
    law(lab.db)
    expected: dict[str, Any] = KEPT
    with lab.db.session() as session:
        author, tag = expected["Author"](id=1, name="Ana"), expected["Tag"](name="new")
        session.add(expected["Book"](id=7, author=author, tags=[tag]))
        session.commit()
        book = session.get(expected["Book"], 7)
        assert book is not None
        assert (book.title, book.author.name) == ("untitled", "Ana")
        assert [tag.name for tag in book.tags] == ["new"]
