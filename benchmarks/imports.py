"""The import time of Colonnade, compared with that of sqlmodel and FastAPI.

    python benchmarks/imports.py [ROUNDS]

All are timed in turn, each time in a new interpreter. The ratios of the medians are what matters.
``import colonnade`` is what a module of models needs. An application also needs the database and
resources, which are imported when these names are first used.
"""

import os
import subprocess
import sys
from statistics import median

CONTENDERS = {
    "sqlmodel, fastapi": "import sqlmodel, fastapi",
    "colonnade": "import colonnade, fastapi",
    "an application": "import fastapi; from colonnade import Database, Resource",
}
TARGET = 1.10
NOT_COMPILED = "PYTHONDONTWRITEBYTECODE"


def seconds(statement: str) -> float:
    code = (
        "import time; started = time.perf_counter()\n"
        f"{statement}\n"
        "print(time.perf_counter() - started)"
    )
    # Installed packages are compiled; without the variable, the modules of a clone are too.
    environment = {name: value for name, value in os.environ.items() if name != NOT_COMPILED}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for statement in CONTENDERS.values():
        seconds(statement)  # compiles it and fills the file cache
    for _ in range(rounds):
        for name, statement in CONTENDERS.items():
            times[name].append(seconds(statement))
    for name, durations in times.items():
        spread = f"{min(durations) * 1000:.0f}-{max(durations) * 1000:.0f}"
        print(f"{name:20} {median(durations) * 1000:6.0f} ms ({spread})")
    base, ours, application = (median(durations) for durations in times.values())
    print(
        f"ratio {ours / base:.2f} (target: at most {TARGET}); application {application / base:.2f}"
    )


if __name__ == "__main__":
    main()
