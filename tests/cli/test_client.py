"""The demo through a TypeScript client that is generated from its OpenAPI document."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Served

PACKAGES = ("openapi-typescript@7", "openapi-fetch@0.17", "typescript@5", "@types/node@20")
COMPILER_OPTIONS = (
    "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck",
    "--target", "es2022", "--module", "nodenext", "--allowImportingTsExtensions",
    "--rewriteRelativeImportExtensions",
)  # fmt: skip


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


NPM_TIMEOUT = 60
"""Seconds; with a registry that answers it takes ten."""


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the generator, the compiler and the client library in it."""
    directory = tmp_path_factory.mktemp("node")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--prefix", ".")
    try:
        done = subprocess.run(
            [npm, "install", *options, *PACKAGES],
            cwd=directory, capture_output=True, text=True, timeout=NPM_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm's registry does not answer within {NPM_TIMEOUT} seconds")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {' '.join(PACKAGES)}: {done.stderr[-300:]}")
    return directory


@pytest.mark.parametrize("demo", ["sqlite"], indirect=True)
def test_a_generated_client_compiles_and_works(demo: Served, node: Path) -> None:
    shutil.copy(Path(__file__).with_name("client.ts"), node / "client.mts")
    document = f"{demo.url}/openapi.json"
    # Without the option, what has a default would have to be said in every request.
    generate = ("openapi-typescript", document, "-o", "api.d.ts", "--default-non-nullable=false")
    run("npx", "--offline", *generate, cwd=node)
    run("npx", "--offline", "tsc", *COMPILER_OPTIONS, "client.mts", cwd=node)
    run("node", "client.mjs", demo.url, cwd=node)
