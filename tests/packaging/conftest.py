"""The built packages of Colonnade, and environments that have them."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.packaging.shell import clean_environment, run_in_shell

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the built sdist, and the wheel that was built from it."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "-q", "--outdir", str(directory), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return directory


@pytest.fixture(scope="session")
def checkout(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the sdist, as a checkout has them."""
    directory = tmp_path_factory.mktemp("checkout")
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    (path,) = directory.iterdir()
    return path


@pytest.fixture(scope="session")
def home(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an environment ``.venv`` into which the wheel is installed."""
    directory = tmp_path_factory.mktemp("home")
    (wheel,) = packages.glob("*.whl")
    run_in_shell(
        ["python3 -m venv .venv", f".venv/bin/pip install -q '{wheel}'"],
        directory,
        PATH=f"{Path(sys.executable).parent}:{clean_environment()['PATH']}",
    )
    return directory
