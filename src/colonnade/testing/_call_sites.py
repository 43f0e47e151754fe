"""Finds the line of the user's program that a statement comes from."""

import ast
import sys
from dataclasses import dataclass
from functools import lru_cache
from linecache import getline
from pathlib import Path
from sysconfig import get_paths
from types import FrameType

import greenlet

_LIBRARIES = tuple({get_paths()[name] for name in ("stdlib", "purelib", "platlib")})
_COLONNADE = str(Path(__file__).parent.parent)
_LOOPS = (
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


@dataclass(frozen=True, slots=True)
class CallSite:
    """A line of the user's program.

    Attributes:
        file: The path of its file.
        line: Its line number.
        function: The name of the function around it.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        path = Path(self.file)
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        return f"{path}:{self.line}"

    @property
    def text(self) -> str:
        """The source code of the line."""
        return getline(self.file, self.line).strip()

    @property
    def loop(self) -> "CallSite | None":
        """The first line of the innermost loop around it, if any."""
        line = _loop_around(self.file, self.line)
        return None if line is None else CallSite(self.file, line, self.function)


def current_call_site() -> CallSite | None:
    """The innermost line of the user's program on the call stack; None if only libraries are.

    Code that SQLAlchemy runs in a greenlet belongs to the coroutine that awaits it.
    """
    current: greenlet.greenlet | None = greenlet.getcurrent()
    frame: FrameType | None = sys._getframe(1)
    while current is not None:
        while frame is not None:
            if _is_user_code(frame.f_code.co_filename):
                return CallSite(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
            frame = frame.f_back
        current = current.parent
        frame = None if current is None else current.gr_frame
    return None


def is_called_from(package: str) -> bool:
    """Whether a function of a package is on the call stack."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] == package:
            return True
        frame = frame.f_back
    return False


@lru_cache(maxsize=4096)
def _is_user_code(file: str) -> bool:
    # A virtual environment may be inside the project, and the project beside the standard library.
    return not (file.startswith((*_LIBRARIES, _COLONNADE, "<")) or "site-packages" in file)


@lru_cache(maxsize=256)
def _loops(file: str) -> list[tuple[int, int]]:
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []
    loops = [node for node in ast.walk(tree) if isinstance(node, _LOOPS)]
    return [(node.lineno, node.end_lineno or node.lineno) for node in loops]


def _loop_around(file: str, line: int) -> int | None:
    around = [(last - first, first) for first, last in _loops(file) if first <= line <= last]
    return min(around)[1] if around else None
