"""The import time of Colonnade, compared with that of sqlmodel and FastAPI.

    python benchmarks/imports.py [ROUNDS]

Both are timed in turn, each time in a new interpreter. The ratio of the medians is what matters.
"""

import os
import subprocess
import sys
from statistics import median

CONTENDERS = {"sqlmodel, fastapi": "import sqlmodel, fastapi", "colonnade": "import colonnade"}
TARGET = 1.15
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
    base, ours = (median(durations) for durations in times.values())
    print(f"ratio {ours / base:.2f} (target: at most {TARGET})")


if __name__ == "__main__":
    main()
