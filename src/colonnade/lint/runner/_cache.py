"""What was found before, by content: in JSON, which runs nothing when it is read."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint.project._module_summary import ClassSummary, ModuleSummary

FOLDER = ".colonnade_cache"


@dataclass(slots=True)
class FileRecord:
    """What is known of a file with a certain content.

    Attributes:
        content: The hash of what it holds.
        facts: The facts of its modules, by their names.
        before: For each of its blocks or cells, the one before.
        lines: How many it has.
        speaks: Whether it names a library that the rules are about.
        errors: What kept it from being parsed.
        key: The hash of all that its findings follow from.
        findings: What was found, before anything was left out.
    """

    content: str
    summaries: dict[str, ModuleSummary]
    previous_blocks: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    mentions_libraries: bool = True
    errors: list[Finding] = field(default_factory=list)
    key: str = ""
    findings: list[Finding] = field(default_factory=list)


class Cache:
    """Keeps what was found in a folder of the project, ``.colonnade_cache``.

    ``changed`` says whether there is anything new to keep.

    Args:
        root: Where the project is; None keeps nothing.
    """

    def __init__(self, root: Path | None) -> None:
        self._folder = root / FOLDER if root is not None else None
        self._files: dict[str, FileRecord] = {}
        self._used: dict[str, FileRecord] = {}
        self.changed = False
        if self._folder is not None:
            self._files = self._read(self._folder / "check.json")

    def get(self, name: str, content: str) -> FileRecord | None:
        """What is known of a file, if it still holds the same."""
        record = self._files.get(name)
        if record is None or record.content != content:
            return None
        self._used[name] = record
        return record

    def put(self, name: str, record: FileRecord) -> None:
        """Remember a file."""
        self._used[name] = record
        self.changed = True

    def save(self) -> None:
        """Write it down; where that cannot be done, the next run takes longer."""
        if self._folder is None or not self.changed:
            return
        data = {
            "version": code_version(),
            "files": {n: _record_to_json(k) for n, k in self._used.items()},
        }
        try:
            self._folder.mkdir(exist_ok=True)
            ignore = self._folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            handle, written = tempfile.mkstemp(dir=self._folder, suffix=".json")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, separators=(",", ":"))
            Path(written).replace(self._folder / "check.json")
        except OSError:
            return

    def _read(self, path: Path) -> dict[str, FileRecord]:
        try:
            data = json.loads(path.read_bytes())
            if data["version"] != code_version():
                return {}
            return {name: _record_from_json(record) for name, record in data["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}  # none, or another's


@cache
def code_version() -> str:
    """What the cache depends on beside the project: this very program and its Python."""
    import sys

    digest = hashlib.blake2b(repr(sys.version_info).encode(), digest_size=16)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def content_hash(data: bytes, module: str = "") -> str:
    """The hash of what a file holds, and of the name of its module."""
    digest = hashlib.blake2b(data, digest_size=16)
    digest.update(f"\0{module}".encode(errors="surrogateescape"))
    return digest.hexdigest()


def combine_hashes(parts: Mapping[str, str]) -> str:
    """One hash of several, each with its name."""
    digest = hashlib.blake2b(digest_size=16)
    for name, part in sorted(parts.items()):
        digest.update(f"{name}\0{part}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def summaries_hash(summaries: Mapping[str, ModuleSummary]) -> str:
    """The hash of a file's facts."""
    text = json.dumps(
        {name: _summary_to_json(summary) for name, summary in sorted(summaries.items())}
    )
    return content_hash(text.encode())


def _record_to_json(record: FileRecord) -> dict[str, Any]:
    return {
        "content": record.content, "lines": record.lines,
        "speaks": record.mentions_libraries, "key": record.key,
        "before": record.previous_blocks,
        "facts": {name: _summary_to_json(summary) for name, summary in record.summaries.items()},
        "errors": [asdict(error) for error in record.errors],
        "findings": [asdict(finding) for finding in record.findings],
    }  # fmt: skip


def _record_from_json(data: dict[str, Any]) -> FileRecord:
    return FileRecord(
        data["content"],
        {name: _summary_from_json(summary) for name, summary in data["facts"].items()},
        data["before"], data["lines"], data["speaks"],
        [_finding_from_json(entry) for entry in data["errors"]], data["key"],
        [_finding_from_json(entry) for entry in data["findings"]],
    )  # fmt: skip


def _summary_to_json(summary: ModuleSummary) -> list[Any]:
    classes = {name: [list(cls.bases), cls.table] for name, cls in summary.classes.items()}
    return [
        summary.exports, list(summary.stars), classes, sorted(summary.queried),
        sorted(summary.depends), list(summary.expiring), summary.migrations, list(summary.imports),
    ]  # fmt: skip


def _summary_from_json(data: list[Any]) -> ModuleSummary:
    exports, stars, classes, queried, depends, expiring, migrations, imports = data
    return ModuleSummary(
        exports, tuple(stars),
        {name: ClassSummary(tuple(bases), table) for name, (bases, table) in classes.items()},
        frozenset(queried), frozenset((name, early) for name, early in depends),
        tuple(expiring), migrations, tuple(imports),
    )  # fmt: skip


def _finding_from_json(data: dict[str, Any]) -> Finding:
    fix = data.pop("fix")
    if fix is not None:
        fix = Fix(fix["message"], tuple(Edit(**edit) for edit in fix["edits"]), fix["safe"])
    return Finding(**data, fix=fix)
