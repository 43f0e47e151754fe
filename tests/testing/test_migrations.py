"""The tables of tests are created by the project's migrations, if it has any."""

import pytest

from tests.testing.conftest import Run, write

INI = """
[alembic]
script_location = %(here)s/migrations
"""

SYNC = """
from alembic import context
from sqlalchemy import engine_from_config

engine = engine_from_config(context.config.get_section("alembic"), prefix="sqlalchemy.")
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

ASYNC = """
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import async_engine_from_config

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    section = context.config.get_section("alembic")
    engine = async_engine_from_config(section, prefix="sqlalchemy.")
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()

asyncio.run(main())
"""

REVISION = """
from alembic import op
import sqlalchemy as sa

revision = "0001"
down_revision = None

def upgrade():
    op.create_table("project", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("name", sa.String, nullable=False))
    op.create_table("task", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("title", sa.String, nullable=False),
                    sa.Column("priority", sa.String, nullable=False),
                    sa.Column("project_id", sa.Integer, sa.ForeignKey("project.id")),
                    sa.Column("created_at", sa.DateTime(timezone=True)),
                    sa.Column("updated_at", sa.DateTime(timezone=True)))
    op.execute("INSERT INTO project (name) VALUES ('From the migration')")
"""

TESTS = """
@pytest.mark.parametrize("again", range(2))
def test_it(client, session, again):
    assert [row["name"] for row in client.get("/projects").json()] == ["From the migration"]
    assert session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").all()
    assert client.delete("/projects/1").status_code == 200
    assert client.post("/tasks", json={"title": "One"}).json()["id"] == 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("environment", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_migrations_create_the_tables(
    project: pytest.Pytester, run: Run, database: str, environment: str
) -> None:
    lay_out(project, environment, REVISION)
    run(TESTS, "--database", database).assert_outcomes(passed=2)


@pytest.mark.slow
def test_a_table_that_no_revision_creates_is_an_error(project: pytest.Pytester, run: Run) -> None:
    lay_out(
        project,
        SYNC,
        REVISION.replace('"project"', '"projects"')
        .replace("project.id", "projects.id")
        .replace("INTO project", "INTO projects"),
    )
    result = run(TESTS)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["The migrations do not create all tables of the models; missing: project.*"]
    )


@pytest.mark.slow
def test_a_failing_migration_is_an_error(project: pytest.Pytester, run: Run) -> None:
    lay_out(project, SYNC, REVISION.replace("INSERT INTO project", "INSERT INTO nowhere"))
    result = run(TESTS)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["The migrations of *alembic.ini failed: OperationalError:*nowhere*"]
    )


@pytest.mark.slow
def test_the_settings_may_name_another_alembic_ini(project: pytest.Pytester, run: Run) -> None:
    lay_out(project, SYNC, REVISION)
    (project.path / "alembic.ini").rename(project.path / "other.ini")
    text = (project.path / "pyproject.toml").read_text()
    write(project, "pyproject.toml", text.replace("app =", 'migrations = "other.ini"\napp ='))
    run(TESTS).assert_outcomes(passed=2)
    (project.path / "other.ini").unlink()
    result = run(TESTS)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*other.ini does not exist, but migrations in *names it."])


def lay_out(project: pytest.Pytester, environment: str, revision: str) -> None:
    (project.path / "migrations/versions").mkdir(parents=True)
    write(project, "alembic.ini", INI)
    write(project, "migrations/env.py", environment)
    write(project, "migrations/versions/0001_first.py", revision)
