"""The speed of ``colonnade check`` on large programs that use SQLModel.

    python -m benchmarks.check [--tree FOLDER] [--rounds 3]

Without ``--tree``, two published programs are downloaded with pip. Each figure is the time of a
whole process with its startup, the best of the rounds: without a cache, with a complete cache, and
after the largest module of endpoints was edited. `ruff check`, if it is installed, checks the same
files with its own rules.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("zenml==0.98.0", "langflow-base==1.13.0")
CHECK = (sys.executable, "-m", "colonnade", "check", "--exit-zero", "--format", "concise")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tree", type=Path, help="check the programs in this folder")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        if arguments.tree is None:
            download(tree)
        else:
            shutil.copytree(arguments.tree, tree, ignore=shutil.ignore_patterns(".git", "*_cache"))
        (tree / "pyproject.toml").write_text("")
        measure(tree, arguments.rounds)


def download(tree: Path) -> None:
    """Download the programs and unpack them."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, *PROGRAMS]
        subprocess.run(pip, check=True)
        for wheel in sorted(Path(folder).glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(tree / wheel.name.split("-")[0])


def measure(tree: Path, rounds: int) -> None:
    files = list(tree.rglob("*.py"))
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    print(f"{len(files):,} files, {lines:,} lines; {os.cpu_count()} processors\n")
    print("| | seconds | lines/s |\n|---|---|---|")

    def measure_command(name: str, command: tuple[str, ...], before: Callable[[], None]) -> None:
        times = []
        for _ in range(rounds):
            before()
            start = time.perf_counter()
            subprocess.run(command, cwd=tree, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        print(f"| {name} | {min(times):.2f} | {lines / min(times):,.0f} |", flush=True)

    def no_preparation() -> None:
        pass

    def delete_cache() -> None:
        shutil.rmtree(tree / ".colonnade_cache", ignore_errors=True)

    def edit() -> None:
        with endpoints.open("a") as file:
            file.write("\n# edited\n")

    with_routes = [path for path in files if "APIRouter(" in path.read_text(errors="replace")]
    endpoints = max(with_routes, key=lambda path: path.stat().st_size, default=files[0])
    measure_command("no cache, one process", (*CHECK, "--jobs", "1"), delete_cache)
    measure_command("no cache", CHECK, delete_cache)
    measure_command("complete cache, one process", (*CHECK, "--jobs", "1"), no_preparation)
    one_process = (*CHECK, "--jobs", "1")
    measure_command(
        "a module of endpoints edited, and only it checked", (*one_process, str(endpoints)), edit
    )
    measure_command("a module of endpoints edited, all files checked", CHECK, edit)
    if shutil.which("ruff"):
        ruff = ("ruff", "check", "--exit-zero", "-q", "--output-format", "concise")
        measure_command("`ruff check`, no cache", (*ruff, "--no-cache"), no_preparation)
        measure_command("`ruff check`, complete cache", ruff, no_preparation)


if __name__ == "__main__":
    main()
