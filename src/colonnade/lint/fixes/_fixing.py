"""Fixes are exact edits of the text, made again and again until nothing is left to mend."""

import ast
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from colonnade.lint._findings import Edit, Finding
from colonnade.lint.project._settings import Settings
from colonnade.lint.project._sources import CodeBlock, Source, UnreadableError, read
from colonnade.lint.runner._runner import Progress, Report, check

ROUNDS = 20  # of fixes that make room for others; each file settles in two or three


@dataclass
class FixResult:
    """What fixing has done.

    Attributes:
        report: What is left.
        before: What each changed file held.
        after: What it holds now.
        counts: How many findings were fixed in it.
        failed: Files that were left as they are, each with the reason.
    """

    report: Report
    before: dict[Path, bytes] = field(default_factory=dict)
    after: dict[Path, bytes] = field(default_factory=dict)
    counts: Counter[Path] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many findings were fixed."""
        return self.counts.total()

    def write(self) -> None:
        """Write the changed files; one that cannot be written is ``failed``."""
        for path, data in list(self.after.items()):
            try:
                path.write_bytes(data)
            except OSError as error:
                self.failed[str(path)] = f"cannot be written: {error.strerror or error}"
                del self.after[path], self.counts[path]


def fix(
    settings: Settings,
    paths: list[Path],
    *,
    unsafe: bool = False,
    jobs: int = 1,
    cached: bool = True,
    progress: Progress | None = None,
    contents: dict[Path, bytes] | None = None,
) -> FixResult:
    """Mend what can be mended; nothing is written.

    Args:
        settings: The project's.
        paths: Files and folders, as for ``check``.
        unsafe: Whether fixes that change what the program does are made too.
        jobs: How many processes to use at most.
        cached: Whether to keep what was found.
        progress: As for ``check``.
        contents: What files hold that are not what the disk has.

    Raises:
        CheckError: As for ``check``.
    """
    current = dict(contents or {})
    original = dict(current)
    done = FixResult(Report())
    for _ in range(ROUNDS):
        done.report = check(
            settings, paths, jobs=jobs, cached=cached, progress=progress, contents=current
        )
        changed = False
        for shown, findings in _fixable(done.report.findings, unsafe=unsafe).items():
            path = Path(shown).absolute()
            if shown in done.failed:
                continue
            try:
                data = current.get(path)
                old = path.read_bytes() if data is None else data
                new, count = _fix_file(old, path.suffix, findings)
            except Exception as error:  # one file, which does not keep the others from it
                kind = "" if isinstance(error, UnreadableError) else f"{type(error).__name__}: "
                done.failed[shown] = f"cannot be fixed: {kind}{error}"
                continue
            if new != old:
                done.before.setdefault(path, original.get(path, old))
                current[path] = done.after[path] = new
                done.counts[path] += count
                changed = True
        if not changed:
            break
    return done


def _fixable(findings: Iterable[Finding], *, unsafe: bool) -> dict[str, list[Finding]]:
    fixable: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix is not None and (finding.fix.safe or unsafe):
            fixable.setdefault(finding.path, []).append(finding)
    return fixable


def _fix_file(data: bytes, suffix: str, findings: list[Finding]) -> tuple[bytes, int]:
    """A file with its findings fixed, and how many were.

    Raises:
        UnreadableError: The result would not be Python.
    """
    source = read(data, suffix)
    text, count = apply(source, findings)
    new = text.encode(source.encoding)
    for before, after in zip(source.blocks, read(new, suffix).blocks, strict=False):
        if _parses(before) and not _parses(after):
            raise UnreadableError("the result would not be Python; please report it")
    return new, count


def _parses(block: CodeBlock) -> bool:
    """Whether a piece compiles, which refuses more than its parser does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(block.code, "fixed", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def apply(source: Source, findings: Iterable[Finding]) -> tuple[str, int]:
    """A file's text with the fixes of findings made, as far as they do not overlap.

    Returns:
        The text, and how many fixes were made.
    """
    taken: list[Edit] = []
    count = 0
    for finding in sorted(findings):
        edits = finding.fix.edits if finding.fix is not None else ()
        fresh = [edit for edit in edits if edit not in taken]
        if edits and not any(_overlap(edit, other) for edit in fresh for other in taken):
            taken += fresh
            count += 1
    return apply_edits(source.text, taken), count


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits made that do not overlap; their line ends are the text's."""
    ends = "\r\n" if "\r\n" in text else "\n"
    parts = []
    position = 0
    for edit in sorted(edits):
        parts += [text[position : edit.start], edit.text.replace("\n", ends)]
        position = edit.end
    return "".join([*parts, text[position:]])


def _overlap(edit: Edit, other: Edit) -> bool:
    """Whether two edits touch the same text; two insertions at one place do not."""
    if edit.start == edit.end == other.start == other.end:
        return False
    if edit.start == edit.end or other.start == other.end:
        point, wide = (edit.start, other) if edit.start == edit.end else (other.start, edit)
        return wide.start < point < wide.end
    return edit.start < other.end and other.start < edit.end
