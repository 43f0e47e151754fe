"""The demo through clients that are generated from its OpenAPI document."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.cli.running import ServedApp

CLIENTS = Path(__file__).parent / "clients"
PACKAGES = (
    "openapi-typescript@7", "openapi-fetch@0.17", "orval@8", "typescript@5", "@types/node@20",
)  # fmt: skip
COMPILER_OPTIONS = (
    "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck",
    "--target", "es2022", "--module", "nodenext", "--allowImportingTsExtensions",
    "--rewriteRelativeImportExtensions",
)  # fmt: skip
REGISTRY_TIMEOUT = 90
"""Seconds. An installation takes ten if the registry responds."""

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("demo", ["sqlite"], indirect=True)]


def run(*command: str, cwd: Path) -> None:
    completed = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def install(*command: str, cwd: Path) -> None:
    """Install packages; the test is skipped if the registry does not answer."""
    try:
        subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=REGISTRY_TIMEOUT, check=True
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"The registry does not answer within {REGISTRY_TIMEOUT} seconds")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{' '.join(command)} failed: {error.stderr[-300:]}")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the generators and the compiler in it."""
    directory = tmp_path_factory.mktemp("node")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--prefix", ".")
    install(npm, "install", *options, *PACKAGES, cwd=directory)
    return directory


def npx(*command: str, cwd: Path) -> None:
    run("npx", "--offline", *command, cwd=cwd)


def document_of(demo: ServedApp) -> dict[str, Any]:
    with urlopen(f"{demo.url}/openapi.json") as response:
        document: dict[str, Any] = json.load(response)
    return document


def test_a_client_of_openapi_typescript_compiles_and_works(demo: ServedApp, node: Path) -> None:
    shutil.copy(CLIENTS / "openapi_fetch.ts", node / "openapi_fetch.mts")
    document = f"{demo.url}/openapi.json"
    # Without the option, fields with a default would be required in every request.
    npx("openapi-typescript", document, "-o", "api.d.ts", "--default-non-nullable=false", cwd=node)
    npx("tsc", *COMPILER_OPTIONS, "openapi_fetch.mts", cwd=node)
    run("node", "openapi_fetch.mjs", demo.url, cwd=node)


def test_a_client_of_orval_compiles_and_works(demo: ServedApp, node: Path) -> None:
    (node / "package.json").write_text('{"type": "module"}')
    (node / "openapi.json").write_text(json.dumps(document_of(demo)))
    shutil.copy(CLIENTS / "orval.ts", node / "use_orval.ts")
    npx("orval", "--input", "openapi.json", "--output", "orval.ts", "--client", "fetch", cwd=node)
    npx("tsc", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext",
        "use_orval.ts", cwd=node)  # fmt: skip
    run("node", "use_orval.js", demo.url, cwd=node)


def test_a_client_of_openapi_python_client_works(demo: ServedApp, tmp_path_factory: Any) -> None:
    directory = tmp_path_factory.mktemp("python_client")
    run(sys.executable, "-m", "venv", "environment", cwd=directory)
    python = str(directory / "environment/bin/python")
    # Its versions of dependencies are not those of the tests.
    install(python, "-m", "pip", "install", "-q", "openapi-python-client>=0.29", cwd=directory)
    (directory / "openapi.json").write_text(json.dumps(document_of(demo)))
    generator = str(directory / "environment/bin/openapi-python-client")
    options = ("--path", "openapi.json", "--output-path", "tracker_client", "--meta", "none")
    run(generator, "generate", *options, cwd=directory)
    shutil.copy(CLIENTS / "python_client.py", directory)
    run(python, "python_client.py", demo.url, cwd=directory)


def test_the_example_of_each_body_creates_a_row(demo: ServedApp) -> None:
    for path in ("/projects", "/tasks", "/workers", "/labels"):
        body = document_of(demo)["paths"][path]["post"]["requestBody"]
        (example,) = body["content"]["application/json"]["schema"]["examples"]
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(demo.url + path, json.dumps(example).encode(), headers)) as response:
            assert response.status == 201, path


def test_the_document_is_short_and_names_its_enums(demo: ServedApp) -> None:
    document = document_of(demo)
    assert len(json.dumps(document)) < 240 * 1024
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert len(operation.get("parameters", ())) <= 90, path
    assert '"enum"' not in json.dumps(document["paths"])
    names = {
        "TaskStatus", "TaskOrderBy", "Deleted", "TaskAssignmentLink", "TaskWithRelations",
        "ProjectCreateWithRelations", "ProjectTasksCreate", "ProjectTasksChanges", "ProjectWritten",
    }  # fmt: skip
    assert names <= document["components"]["schemas"].keys()
