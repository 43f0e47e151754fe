"""How fast `colonnade check` is, on programs that were not written for it.

    python -m benchmarks.check [--tree FOLDER] [--rounds 3]

Without a tree: two large programs that use SQLModel, as they are published, taken with pip. Each
figure is that of a whole process, including its start-up, and the best of the rounds: "no cache"
begins without a cache, "nothing changed" with a complete one, and then the largest module of
endpoints is edited.
`ruff check`, where it is installed, reads the same files for its own rules.
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
    parser.add_argument("--tree", type=Path, help="measure on this one")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        if arguments.tree is None:
            take(tree)
        else:
            shutil.copytree(arguments.tree, tree, ignore=shutil.ignore_patterns(".git", "*_cache"))
        (tree / "pyproject.toml").write_text("")
        measure(tree, arguments.rounds)


def take(tree: Path) -> None:
    """Lay the programs out."""
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

    def tell(name: str, command: tuple[str, ...], before: Callable[[], None]) -> None:
        times = []
        for _ in range(rounds):
            before()
            start = time.perf_counter()
            subprocess.run(command, cwd=tree, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        print(f"| {name} | {min(times):.2f} | {lines / min(times):,.0f} |", flush=True)

    def nothing() -> None:
        pass

    def forget() -> None:
        shutil.rmtree(tree / ".colonnade_cache", ignore_errors=True)

    def edit() -> None:
        with endpoints.open("a") as file:
            file.write("\n# edited\n")

    with_routes = [path for path in files if "APIRouter(" in path.read_text(errors="replace")]
    endpoints = max(with_routes, key=lambda path: path.stat().st_size, default=files[0])
    tell("no cache, one process", (*CHECK, "--jobs", "1"), forget)
    tell("no cache", CHECK, forget)
    tell("nothing changed, one process", (*CHECK, "--jobs", "1"), nothing)
    alone = (*CHECK, "--jobs", "1")
    tell("one module of endpoints changed, checked alone", (*alone, str(endpoints)), edit)
    tell("one module of endpoints changed, all files checked", CHECK, edit)
    if shutil.which("ruff"):
        ruff = ("ruff", "check", "--exit-zero", "-q", "--output-format", "concise")
        tell("`ruff check`, no cache", (*ruff, "--no-cache"), nothing)
        tell("`ruff check`, nothing changed", ruff, nothing)


if __name__ == "__main__":
    main()
