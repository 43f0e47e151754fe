"""Runs modules such as ``colonnade``, each in a fork of a process that has imported the package.

Importing takes seconds, and the tests run hundreds of commands. A fork has the imported modules
and nothing else: its directory, its environment, its streams and its modules of the project are
those of a new process. It reads a command as a line of JSON from its standard input, and writes
the exit code.
"""

import json
import os
import runpy
import sys
import traceback
from importlib import import_module
from typing import Any

PRELOADED = ("colonnade.cli", "colonnade.cli._migrations", "colonnade.cli._check")
"""What most commands import."""


def run(command: dict[str, Any]) -> int:
    """Run a module as ``python -m`` would, and return its exit code."""
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environment"])
    module, *arguments = command["arguments"]
    sys.argv = [module, *arguments]
    sys.path.insert(0, command["cwd"])
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, command["stdout"], os.O_WRONLY),
        (2, command["stderr"], os.O_WRONLY),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve() -> None:
    """Run commands until the standard input ends."""
    for module in PRELOADED:
        import_module(module)

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = run(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
