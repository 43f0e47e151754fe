"""The cache of findings by file content, stored as JSON, which is safe to load."""

import hashlib
import json
import os
import sys
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
    """The cached results for a file with a certain content.

    Attributes:
        content: The hash of the content.
        summaries: The summaries of its modules, by name.
        previous_blocks: For each Markdown block or notebook cell, the one before.
        lines: The number of lines.
        mentions_libraries: Whether the file mentions a library that rules are about.
        errors: The findings for what could not be parsed.
        key: The hash of everything that the findings depend on.
        findings: All findings, before settings filter them.
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
    """Stores results in the folder ``.colonnade_cache`` of a project.

    Args:
        root: The project's root; None disables the cache.

    Attributes:
        changed: Whether there is anything new to save.
    """

    def __init__(self, root: Path | None) -> None:
        self._folder = root / FOLDER if root is not None else None
        self._files: dict[str, FileRecord] = {}
        self._used: dict[str, FileRecord] = {}
        self.changed = False
        if self._folder is not None:
            self._files = self._read(self._folder / "check.json")

    def get(self, name: str, content: str) -> FileRecord | None:
        """The record of a file, or None if its content has changed."""
        record = self._files.get(name)
        if record is None or record.content != content:
            return None
        self._used[name] = record
        return record

    def put(self, name: str, record: FileRecord) -> None:
        """Store the record of a file."""
        self._used[name] = record
        self.changed = True

    def save(self) -> None:
        """Write the cache; a failure only makes the next run slower."""
        if self._folder is None or not self.changed:
            return
        data = {
            "version": code_version(),
            "files": {name: _record_to_json(record) for name, record in self._used.items()},
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
            return {}  # missing, damaged, or written by another version


@cache
def code_version() -> str:
    """The hash of this package's source and of the Python version, which the cache depends on."""
    digest = hashlib.blake2b(repr(sys.version_info).encode(), digest_size=16)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def content_hash(data: bytes, module: str = "") -> str:
    """The hash of a file's content and of its module name."""
    digest = hashlib.blake2b(data, digest_size=16)
    digest.update(f"\0{module}".encode(errors="surrogateescape"))
    return digest.hexdigest()


def combine_hashes(parts: Mapping[str, str]) -> str:
    """Combine named hashes into one."""
    digest = hashlib.blake2b(digest_size=16)
    for name, part in sorted(parts.items()):
        digest.update(f"{name}\0{part}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def summaries_hash(summaries: Mapping[str, ModuleSummary]) -> str:
    """The hash of the summaries of a file's modules."""
    text = json.dumps(
        {name: _summary_to_json(summary) for name, summary in sorted(summaries.items())}
    )
    return content_hash(text.encode())


def _record_to_json(record: FileRecord) -> dict[str, Any]:
    return {
        "content": record.content, "lines": record.lines,
        "mentions_libraries": record.mentions_libraries, "key": record.key,
        "previous_blocks": record.previous_blocks,
        "summaries": {
            name: _summary_to_json(summary) for name, summary in record.summaries.items()
        },
        "errors": [asdict(error) for error in record.errors],
        "findings": [asdict(finding) for finding in record.findings],
    }  # fmt: skip


def _record_from_json(data: dict[str, Any]) -> FileRecord:
    return FileRecord(
        data["content"],
        {name: _summary_from_json(summary) for name, summary in data["summaries"].items()},
        data["previous_blocks"], data["lines"], data["mentions_libraries"],
        [_finding_from_json(entry) for entry in data["errors"]], data["key"],
        [_finding_from_json(entry) for entry in data["findings"]],
    )  # fmt: skip


def _summary_to_json(summary: ModuleSummary) -> list[Any]:
    classes = {name: [list(cls.bases), cls.table] for name, cls in summary.classes.items()}
    return [
        summary.exports, list(summary.stars), classes, sorted(summary.queried),
        sorted(summary.depends), sorted(summary.scopes), sorted(summary.inclusions),
        list(summary.expiring), summary.migrations, list(summary.imports),
    ]  # fmt: skip


def _summary_from_json(data: list[Any]) -> ModuleSummary:
    exports, stars, classes, queried, depends, scopes, inclusions = data[:7]
    expiring, migrations, imports = data[7:]
    return ModuleSummary(
        exports, tuple(stars),
        {name: ClassSummary(tuple(bases), table) for name, (bases, table) in classes.items()},
        frozenset(queried), frozenset((name, early) for name, early in depends),
        frozenset((call, model, scope) for call, model, scope in scopes),
        frozenset((*paths, tuple(dependencies)) for *paths, dependencies in inclusions),
        tuple(expiring), migrations, tuple(imports),
    )  # fmt: skip


def _finding_from_json(data: dict[str, Any]) -> Finding:
    fix = data.pop("fix")
    if fix is not None:
        fix = Fix(fix["message"], tuple(Edit(**edit) for edit in fix["edits"]), fix["safe"])
    return Finding(**data, fix=fix)
