"""Packages import only those to their left, and importing Colonnade is cheap."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import colonnade

SOURCE = Path(colonnade.__file__).parent
SHARED = ("errors", "backends", "_owner_caches", "_sqlalchemy_compat", "_time_buckets")
# The other packages that each package may import: CONTRIBUTING.md, "Structure".
ALLOWED = {
    "errors": set(),
    "backends": set(),
    "_owner_caches": set(),
    "_sqlalchemy_compat": set(),
    "_time_buckets": set(),
    "models": set(),
    "query": {"models"},
    "rows": {"models", "query"},
    "database": set(),
    "writes": {"models", "query", "rows", "database"},
    "resources": {"models", "query", "rows", "database", "writes"},
    "project": {"database"},
    "health": {"database", "migrations", "project"},
    "migrations": {"models", "database", "project"},
    "lint": set(),
    "testing": {"models", "query", "rows", "database", "resources", "migrations", "project"},
    "templates": {"models"},
    "studio": {"models", "database", "resources", "migrations", "project"},
    "agents": {"models", "database", "resources", "writes"},
    "cli": {
        "agents",
        "database",
        "lint",
        "migrations",
        "models",
        "project",
        "resources",
        "studio",
        "templates",
        "testing",
    },
    "__init__": {"agents", "database", "models", "query", "resources", "studio"},
    "__main__": {"cli"},
}


# The steps of a write: none calls back into an earlier one.
STEPS = ("", "rules", "parsing", "statements", "execution", "links", "nested")


def package_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


@cache
def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def module_name(path: Path, root: Path = SOURCE.parent) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(paths: list[Path], root: Path = SOURCE.parent) -> dict[str, set[str]]:
    """The modules that each module imports: at the top, in functions and for type checkers."""
    modules = {module_name(path, root) for path in paths}
    graph = {}
    for path in paths:
        used = {
            name if name in modules else name.rpartition(".")[0]
            for name in imports(path)  # `from package import module`, or a name in one
        }
        graph[module_name(path, root)] = (used & modules) - {module_name(path, root)}
    return graph


MODULES = [path for path in SOURCE.rglob("*.py") if "templates" not in path.parts]
PLUGIN = sorted((SOURCE.parent / "pytest_colonnade").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_package_imports_only_those_to_its_left(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "colonnade" or len(parts) < 2:
            continue
        used = parts[1]
        if used in ("__version__", package_of(path), *SHARED):
            continue
        assert used in ALLOWED[package_of(path)], f"{path} imports {name}"
        is_public = len(parts) < 3 or not parts[2].startswith("_")
        assert is_public, f"{path} imports {name}, which is private to its package"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_fastapi_is_imported_in_resources_and_alembic_in_migrations(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    web = {"resources", "studio", "agents", "health", "cli"}
    assert "fastapi" not in used or package_of(path) in web
    assert "alembic" not in used or package_of(path) == "migrations"


WRITES = SOURCE / "writes"


@pytest.mark.parametrize(
    "path", sorted(WRITES.rglob("_[a-z]*.py")), ids=lambda path: str(path.relative_to(WRITES))
)
def test_a_step_of_a_write_imports_only_itself_and_earlier_steps(path: Path) -> None:
    step = str(path.parent.relative_to(WRITES)).removeprefix(".")
    for name in imports(path):
        if name.startswith("colonnade.writes."):
            module = name.removeprefix("colonnade.writes.").split(".")
            used = "" if module[0].startswith("_") else module[0]
            assert STEPS.index(used) <= STEPS.index(step), f"{path} imports {name}"


def test_no_modules_import_each_other() -> None:
    graph = import_graph([*MODULES, *PLUGIN])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_an_import_cycle_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import value")
    (tmp_path / "b.py").write_text("def value():\n    import a")
    graph = import_graph(sorted(tmp_path.glob("*.py")), tmp_path)
    assert graph == {"a": {"b"}, "b": {"a"}}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_importing_colonnade_imports_neither_drivers_nor_the_command_line() -> None:
    lazy = ["typer", "rich", "alembic", "uvicorn", "asyncpg", "psycopg", "aiosqlite"]
    lazy += ["sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite"]  # 25 ms
    code = f"import colonnade, sys; print([name for name in {lazy} if name in sys.modules])"
    assert output_of(f"{code}; colonnade.Database, colonnade.Resource; {code}") == "[]\n[]\n"


def test_a_module_of_models_imports_neither_the_database_nor_resources() -> None:
    parts = ["agents", "database", "query", "resources", "rows", "studio", "writes"]
    lazy = [f"colonnade.{part}" for part in parts]
    code = (
        "from colonnade import Field, Relationship, Schemas, SQLModel, Timestamps; import sys; "
        f"print([name for name in {lazy} if name in sys.modules])"
    )
    assert output_of(code) == "[]\n"


def test_a_name_is_imported_when_it_is_used() -> None:
    code = "import colonnade; print('{0}' in vars(colonnade), '{0}' in dir(colonnade))"
    for name in ("AsyncSession", "Database", "Page", "Resource", "Studio", "problems"):
        assert output_of(code.format(name)) == "False True\n"
        assert getattr(colonnade, name).__name__ == name
        assert name in vars(colonnade)
    for package in ("database", "query", "resources"):
        assert output_of(f"import colonnade; print(colonnade.{package}.__name__)") == (
            f"colonnade.{package}\n"
        )
    with pytest.raises(AttributeError, match="module 'colonnade' has no attribute 'Databas'"):
        getattr(colonnade, "Databas")  # noqa: B009  (mypy would refuse the attribute)


def output_of(code: str) -> str:
    """What a new interpreter prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_docstring_of_errors_has_the_error_tree() -> None:
    from colonnade import errors

    documented = [
        line.replace("│", " ").replace("├──", "   ").replace("└──", "   ").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if "Error" in line and line.startswith("    ")
    ]
    defined = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert documented == defined
    for name in defined:
        assert issubclass(getattr(errors, name), errors.ColonnadeError)
