"""The demo through a TypeScript client that is generated from its OpenAPI document."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import ServedApp

PACKAGES = ("openapi-typescript@7", "openapi-fetch@0.17", "typescript@5", "@types/node@20")
COMPILER_OPTIONS = (
    "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck",
    "--target", "es2022", "--module", "nodenext", "--allowImportingTsExtensions",
    "--rewriteRelativeImportExtensions",
)  # fmt: skip


def run(*command: str, cwd: Path) -> None:
    completed = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


NPM_TIMEOUT = 60
"""Seconds. It takes ten if the registry responds."""


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the generator, the compiler and the client library in it."""
    directory = tmp_path_factory.mktemp("node")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--prefix", ".")
    try:
        completed = subprocess.run(
            [npm, "install", *options, *PACKAGES],
            cwd=directory, capture_output=True, text=True, timeout=NPM_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm's registry does not answer within {NPM_TIMEOUT} seconds")
    if completed.returncode != 0:
        pytest.skip(f"npm cannot install {' '.join(PACKAGES)}: {completed.stderr[-300:]}")
    return directory


@pytest.mark.parametrize("demo", ["sqlite"], indirect=True)
def test_a_generated_client_compiles_and_works(demo: ServedApp, node: Path) -> None:
    shutil.copy(Path(__file__).with_name("client.ts"), node / "client.mts")
    document = f"{demo.url}/openapi.json"
    # Without the option, fields with a default would be required in every request.
    generate = ("openapi-typescript", document, "-o", "api.d.ts", "--default-non-nullable=false")
    run("npx", "--offline", *generate, cwd=node)
    run("npx", "--offline", "tsc", *COMPILER_OPTIONS, "client.mts", cwd=node)
    run("node", "client.mjs", demo.url, cwd=node)
