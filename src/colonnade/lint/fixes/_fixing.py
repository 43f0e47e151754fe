"""Applies fixes repeatedly until nothing is left to fix."""

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

ROUNDS = 20  # overlapping fixes take several rounds; two or three are enough in practice


@dataclass
class FixResult:
    """The result of applying fixes.

    Attributes:
        report: The remaining findings.
        before: The original content of each changed file.
        after: The new content of each changed file.
        counts: The number of findings fixed in each file.
        failed: The files left unchanged, each with the reason.
    """

    report: Report
    before: dict[Path, bytes] = field(default_factory=dict)
    after: dict[Path, bytes] = field(default_factory=dict)
    counts: Counter[Path] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of findings fixed."""
        return self.counts.total()

    def write(self) -> None:
        """Write the changed files; a file that cannot be written is added to ``failed``."""
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
    """Apply fixes in memory; call ``write`` on the result to write the files.

    Args:
        settings: The project's settings.
        paths: Files and folders, as for ``check``.
        unsafe: Whether to apply fixes that may change what the program does.
        jobs: The maximum number of processes.
        cached: Whether to use and update the cache.
        progress: As for ``check``.
        contents: The content of files that differs from the disk.

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
        for name, findings in _fixable(done.report.findings, unsafe=unsafe).items():
            path = Path(name).absolute()
            if name in done.failed:
                continue
            try:
                data = current.get(path)
                old = path.read_bytes() if data is None else data
                new, count = _fix_file(old, path.suffix, findings)
            except Exception as error:  # one file must not stop the others
                kind = "" if isinstance(error, UnreadableError) else f"{type(error).__name__}: "
                done.failed[name] = f"cannot be fixed: {kind}{error}"
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
    """Fix the findings of a file; return the new content and the number of findings fixed.

    Raises:
        UnreadableError: The result would not be valid Python.
    """
    source = read(data, suffix)
    text, count = apply(source, findings)
    new = text.encode(source.encoding)
    for before, after in zip(source.blocks, read(new, suffix).blocks, strict=False):
        if _parses(before) and not _parses(after):
            raise UnreadableError("the result would not be valid Python; please report this")
    return new, count


def _parses(block: CodeBlock) -> bool:
    """Whether a block compiles; the compiler refuses more than the parser."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(block.code, "fixed", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def apply(source: Source, findings: Iterable[Finding]) -> tuple[str, int]:
    """Apply the fixes of findings to a file's text, skipping fixes that overlap earlier ones.

    Returns:
        The new text and the number of fixes applied.
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
    """Apply edits that do not overlap, with the line endings of the text."""
    ends = "\r\n" if "\r\n" in text else "\n"
    parts = []
    position = 0
    for edit in sorted(edits):
        parts += [text[position : edit.start], edit.text.replace("\n", ends)]
        position = edit.end
    return "".join([*parts, text[position:]])


def _overlap(edit: Edit, other: Edit) -> bool:
    """Whether two edits touch the same text; two insertions at one offset do not."""
    if edit.start == edit.end == other.start == other.end:
        return False
    if edit.start == edit.end or other.start == other.end:
        point, range_ = (edit.start, other) if edit.start == edit.end else (other.start, edit)
        return range_.start < point < range_.end
    return edit.start < other.end and other.start < edit.end
