"""Reflection: models of existing tables."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text

from colonnade import Database, Resource
from colonnade.models import Shape, reflect_models, schemas
from tests.resources.sample_app import serving

TABLES = """
create table owners (id integer primary key, name varchar(40) not null unique);
create table projects (
    slug varchar(40) primary key,
    owner_id integer references owners(id),
    reviewer integer references owners(id)
);
create table task (
    id integer primary key,
    title varchar(200) not null,
    project_slug varchar(40) references projects(slug),
    parent_id integer references task(id) on delete cascade
);
create table tasks (id integer primary key);
create table labels (id integer primary key, name varchar(40));
create table task_labels (
    task_id integer references task(id), label_id integer references labels(id),
    primary key (task_id, label_id)
);
create table blocks (
    task_id integer references task(id), blocker_id integer references task(id),
    primary key (task_id, blocker_id)
);
create table assignments (
    task_id integer references task(id), owner_id integer references owners(id),
    role varchar(20) not null, primary key (task_id, owner_id)
);
create table journal (line varchar(80));
create table "odd one" (
    id integer primary key, "class" integer, "weird name" integer, metadata integer,
    registry integer, model_config integer, "_private" integer, "nothing" integer, "2nd" integer
)
"""


def make(db: Database, statements: str) -> None:
    with db.engine.begin() as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(text(statement))


def reflected(db: Database, statements: str = TABLES) -> tuple[Mapping[str, Any], Any]:
    make(db, statements)
    with db.engine.connect() as connection:
        reflection = reflect_models(connection)
    return reflection.models, reflection.skipped


def relations(model: Any) -> dict[str, tuple[str, Any]]:
    return {
        name: (value.kind, value.target.__tablename__)
        for name, value in Shape.of(model).relations.items()
    }


def test_a_class_has_the_singular_name_of_its_table(db: Database) -> None:
    models, skipped = reflected(db)
    assert {table: model.__name__ for table, model in models.items()} == {
        "owners": "Owner",
        "projects": "Project",
        "task": "Task",
        "tasks": "Tasks",  # Task is taken
        "labels": "Label",
        "task_labels": "TaskLabel",
        "blocks": "Block",
        "assignments": "Assignment",
        "odd one": "OddOne",
    }
    assert skipped == {"journal": "it has no primary key"}


def test_a_foreign_key_becomes_relations_on_both_sides(db: Database) -> None:
    models, _ = reflected(db)
    assert relations(models["task"]) == {
        "project": ("one", "projects"),
        "parent": ("one", "task"),
        "children": ("many", "task"),
        "labels": ("many_to_many", "labels"),
        "assignments": ("association", "assignments"),
        # The two lists of a table that links another one to itself would need two names.
        "task_blocks": ("many", "blocks"),
        "blocker_blocks": ("many", "blocks"),
    }
    assert relations(models["labels"]) == {"tasks": ("many_to_many", "task")}
    assert relations(models["assignments"]) == {"task": ("one", "task"), "owner": ("one", "owners")}


def test_two_keys_to_one_table_are_named_by_their_columns(db: Database) -> None:
    models, _ = reflected(db)
    assert relations(models["projects"]) == {
        "owner": ("one", "owners"),
        "reviewer_owner": ("one", "owners"),
        "tasks": ("many", "task"),
    }
    assert relations(models["owners"]) == {
        "owner_projects": ("many", "projects"),
        "reviewer_projects": ("many", "projects"),
        "assignments": ("association", "assignments"),
    }


def test_columns_keep_their_names_in_responses(db: Database) -> None:
    models, _ = reflected(db)
    odd = models["odd one"]
    named = {field.alias or name for name, field in schemas(odd).read.model_fields.items()}
    assert named == {column.name for column in odd.__table__.columns}
    make(db, """insert into "odd one" values (1, 2, 3, 4, 5, 6, 7, 8, 9)""")
    with db.session() as session:
        row: Any = session.get(odd, 1)
        assert (row.class_, row.weird_name, row.private, row.n2nd) == (2, 3, 7, 9)


def test_a_database_without_tables_has_no_models(db: Database) -> None:
    models, skipped = reflected(db, "")
    assert not models
    assert not skipped


POSTGRESQL = {
    "uuid": ("'6f0f1c1e-0000-4000-8000-000000000001'", "6f0f1c1e-0000-4000-8000-000000000001"),
    "jsonb": ("""'{"a": [1, null]}'""", {"a": [1, None]}),
    "json": ("'[1.50]'", [1.5]),
    "numeric(10,2)": ("2.5", "2.50"),
    "numeric": ("2.50", "2.50"),
    "interval": ("'1 day 2 hours'", "P1DT2H"),
    "bytea": ("'\\x00ff'", "AP8="),
    "timestamptz": ("'2026-01-01 12:00+02'", "2026-01-01T10:00:00Z"),
    "timestamp": ("'2026-01-01 12:00'", "2026-01-01T12:00:00"),
    "date": ("'2026-01-01'", "2026-01-01"),
    "time": ("'12:00'", "12:00:00"),
    "boolean": ("true", True),
    "bigint": ("9223372036854775807", 9223372036854775807),
    "smallint": ("1", 1),
    "real": ("1.5", 1.5),
    "double precision": ("0.1", 0.1),
    "char(3)": ("'ab'", "ab "),
    "text[]": ("'{a,null}'", ["a", None]),
    "integer[]": ("'{1,2}'", [1, 2]),
    "mood": ("'ok'", "ok"),
    "money": ("'1.5'", "$1.50"),
    "bit(3)": ("'101'", "101"),
    "macaddr": ("'08:00:2b:01:02:03'", "08:00:2b:01:02:03"),
    "inet": ("'10.0.0.1/8'", "10.0.0.1/8"),
    "cidr": ("'2001:db8::/32'", "2001:db8::/32"),
    "int4range": ("'[1,2)'", {"lower": 1, "upper": 2, "bounds": "[)", "empty": False}),
    "datemultirange": (
        "'{[2026-01-01,)}'",
        [{"lower": "2026-01-01", "upper": None, "bounds": "[)", "empty": False}],
    ),
    "whole": ("5", 5),
    "words": ("'{a,b}'", ["a", "b"]),
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("kind", POSTGRESQL)
def test_types_of_postgresql_can_be_read_and_written(db: Database, kind: str) -> None:
    written, shown = POSTGRESQL[kind]
    make(db, f"""
        create type mood as enum ('ok', 'not');
        create domain whole as integer;
        create domain words as text[];
        create table things (id integer primary key, it {kind});
        insert into things values (1, {written})
    """)  # fmt: skip
    with db.engine.connect() as connection:
        model = reflect_models(connection).models["things"]
    with serving(Resource(model, db)) as client:
        assert client.get("/things").json() == [{"id": 1, "it": shown}]
        assert client.patch("/things/1", json={"it": shown}).json() == {"id": 1, "it": shown}
        odd: list[Any] = [{}, "\x00", "x" * 300, [None, "x"], 10**30]
        for value in odd:  # any status, except a server error
            assert client.patch("/things/1", json={"it": value}).status_code in (200, 422), value


UNKNOWN = {
    "tsvector": ("a b", "'a' 'b'"),
    "tsquery": ("a", "'a'"),
    "point": ("(1,2)", "(1,2)"),
    "int4range[]": ('{"[1,2)"}', ["[1,2)"]),
    "document": ("{}", {}),
    "oid": ("1", "1"),
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_column_without_a_python_type_is_read_only(db: Database, kind: str) -> None:
    written, shown = UNKNOWN[kind]
    make(db, f"""
        create domain document as jsonb;
        create table things (id integer primary key, it {kind}, name varchar(9));
        insert into things values (1, '{written}', 'x'), (2, null, 'x')
    """)  # fmt: skip
    with db.engine.connect() as connection:
        model = reflect_models(connection).models["things"]
    with serving(Resource(model, db)) as client:
        assert [row["it"] for row in client.get("/things").json()] == [shown, None]
        refused = client.patch("/things/1", json={"it": written})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "it")
        assert client.patch("/things/1", json={"name": "y"}).json()["it"] == shown


ODD_TYPES = """
create table odd (
    id integer primary key, u UUID, g uniqueidentifier, e ENUM, d DATETIME2, z DATETIMEOFFSET,
    m MONEY, b VARBINARY(9), j JSONB, y YEAR, s STRING, w WEIRD, n NVARCHAR(9), v INTERVAL
)
"""


@pytest.mark.only_on("sqlite")
def test_a_declared_type_on_sqlite_has_its_meaning_in_other_databases(db: Database) -> None:
    models, _ = reflected(db, ODD_TYPES)
    make(
        db,
        """insert into odd values (1, '7b1c-4', 'A-1', 'new', '2026-01-02 03:04:05',
        '2026-01-02 03:04:05.5', 12.5, x'ff00', '{"a": [1]}', 2026, '007', 'x y', 'é', '1 day')""",
    )
    with serving(Resource(models["odd"], db)) as client:
        (row,) = client.get("/odds").json()
    expected = {"u": "7b1c-4", "g": "A-1", "e": "new", "b": "/wA=", "j": {"a": [1]}, "y": 2026,
                "s": "7", "w": "x y", "n": "é", "v": "1 day"}  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert row["d"].startswith("2026-01-02T03:04:05")
    assert row["z"].startswith("2026-01-02T03:04:05.5")
    assert float(row["m"]) == 12.5


@pytest.mark.only_on("sqlite")
def test_internal_tables_of_sqlite_and_migrations_are_excluded(db: Database) -> None:
    models, skipped = reflected(
        db,
        """create virtual table found using fts5 (title);
        create virtual table boxes using rtree (id, x, y);
        create table alembic_version (version_num varchar(32) primary key);
        create table found_things (id integer primary key);
        create table task (id integer primary key autoincrement)""",
    )
    assert set(models) == {"found_things", "task"}
    assert dict(skipped) == {}


@pytest.mark.only_on("postgresql")
def test_a_partitioned_table_has_one_model(db: Database) -> None:
    models, skipped = reflected(
        db,
        """create table event (id integer primary key) partition by range (id);
        create table event_1 partition of event for values from (1) to (1000);
        create table alembic_version (version_num varchar(32) primary key);
        insert into event values (5)""",
    )
    assert (set(models), dict(skipped)) == ({"event"}, {})
    with serving(Resource(models["event"], db)) as client:
        assert client.get("/events").json() == [{"id": 5}]


@pytest.mark.only_on("postgresql")
def test_schemas_can_refer_to_each_other(db: Database) -> None:
    make(
        db,
        """create schema person; create schema sales;
        create table person.store (id integer primary key);
        create table sales.store (id integer primary key references person.store(id));
        create table sales.bill (
            id integer primary key, store_id integer references sales.store
        )""",
    )
    with db.engine.connect() as connection:
        models = reflect_models(connection, "person", "sales").models
    assert {key: model.__name__ for key, model in models.items()} == {
        "person.store": "PersonStore",
        "sales.store": "SalesStore",
        "sales.bill": "Bill",
    }
    assert "store" in Shape.of(models["sales.bill"]).relations
