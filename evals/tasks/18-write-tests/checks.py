import json
import shutil
import time
from pathlib import Path

import pytest
from evals.conftest import Result, TryDatabase

MUTANTS = Path(__file__).parent / "mutants"
TABLES = ("rooms", "bookings")
without_mutant: dict[str, int] = {}  # what the tests return, on each kind of database


@pytest.fixture
def tests(result: Result, start: Result) -> Result:
    """The application as it was, with the agent's tests and what they need beside them."""
    for path in result.directory.iterdir():
        if path.name not in {".venv", "app", "migrations", "migrate.sh"}:
            target = start.directory / path.name
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True, symlinks=True)
            else:
                shutil.copy(path, target)
    return start


@pytest.fixture
def used_database(database: TryDatabase) -> TryDatabase:
    database.execute("INSERT INTO rooms (name, seats) VALUES ('Orion', 8), ('Aula', 500)")
    database.execute(
        'INSERT INTO bookings (room_id, owner, title, start, "end") '
        "VALUES (1, 'ada', 'Other', '2026-01-01 00:00:00', '2036-01-01 00:00:00')"
    )
    return database


def run(tests: Result, database: TryDatabase, *args: str) -> tuple[int, str]:
    command = [".venv/bin/python", "-m", "pytest", *(args or ["tests"]), "-q"]
    done = tests.run(*command, url=database.url, check=False)
    print(done.stdout[-3000:], done.stderr[-2000:])
    return done.returncode, done.stdout


def rows(database: TryDatabase) -> list[str]:
    return [str(database.execute(f"SELECT * FROM {table} ORDER BY id")) for table in TABLES]


def files(directory: Path) -> dict[str, bytes]:
    paths = [directory / "migrate.sh", *(directory / "app").rglob("*")]
    paths += (directory / "migrations").rglob("*.py")
    sources = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(directory)): path.read_bytes() for path in sources}


def notices(tests: Result, database: TryDatabase, mutant: str) -> bool:
    side = "colonnade" if (tests.directory / ".venv/bin/colonnade").exists() else "plain"
    patch = json.loads((MUTANTS / side / f"{mutant}.json").read_text())
    path = tests.directory / patch["file"]
    source = path.read_text()
    assert source.count(patch["old"]) == 1, "the mutant does not match the application"
    if database.kind not in without_mutant:
        without_mutant[database.kind] = run(tests, database)[0]
    assert without_mutant[database.kind] == 0, "the tests fail without a mutant, too"
    path.write_text(source.replace(patch["old"], patch["new"]))
    return run(tests, database)[0] == 1


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_the_application_is_unchanged(result: Result, start: Result) -> None:
    assert files(result.directory) == files(start.directory)


def test_the_tests_pass_in_less_than_a_minute(tests: Result, database: TryDatabase) -> None:
    begin = time.monotonic()
    assert run(tests, database)[0] == 0
    assert time.monotonic() - begin < 60


def test_the_tests_pass_twice_and_leave_nothing_behind(
    tests: Result, database: TryDatabase
) -> None:
    for _ in range(2):
        assert run(tests, database)[0] == 0
        assert rows(database) == ["[]", "[]"]


def test_the_tests_leave_the_rows_of_others_alone(
    tests: Result, used_database: TryDatabase
) -> None:
    before = rows(used_database)
    assert run(tests, used_database)[0] == 0
    assert rows(used_database) == before


def test_the_tests_pass_in_any_order(tests: Result, database: TryDatabase) -> None:
    code, output = run(tests, database, "--collect-only", "tests")
    names = [line for line in output.splitlines() if "::" in line]
    assert code == 0
    assert names
    assert run(tests, database, *reversed(names))[0] == 0


def test_touching_bookings_are_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "touching_bookings_conflict")


def test_bookings_of_other_rooms_are_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "other_rooms_conflict")


def test_overlaps_at_the_end_are_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "later_overlaps_pass")


def test_bookings_without_duration_are_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "empty_bookings_pass")


def test_owners_are_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "everybody_is_the_owner")


def test_what_a_change_leaves_out_is_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "a_change_empties_the_rest")


def test_the_number_of_seats_itself_is_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "the_number_of_seats_is_excluded")


def test_the_order_of_bookings_is_tested(tests: Result, database: TryDatabase) -> None:
    assert notices(tests, database, "bookings_are_in_the_order_of_ids")
