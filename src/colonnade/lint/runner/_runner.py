"""Runs a whole check: find the files, scan them for summaries, and review them with the rules.

Results are cached by content. A file is scanned again when it changes. It is reviewed again when it
changes, or a file that it imports, or a file with tables, or the summary of any file.
"""

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from colonnade.errors import CheckError
from colonnade.lint._findings import Finding
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._files import SUFFIXES, Files, ProjectFile
from colonnade.lint.project._names import Names
from colonnade.lint.project._requirements import read_requirements
from colonnade.lint.project._settings import Settings, is_project_root
from colonnade.lint.project._sources import UnreadableError
from colonnade.lint.rules import all_rules
from colonnade.lint.runner._cache import (
    Cache,
    FileRecord,
    combine_hashes,
    content_hash,
    summaries_hash,
)
from colonnade.lint.runner._checking import (
    is_package,
    module_names,
    unreadable_finding,
)
from colonnade.lint.runner._dependency_hashes import dependency_hashes
from colonnade.lint.runner._processes import Processes, split
from colonnade.lint.runner._workers import ReviewJob, forget, review_files, scan_files, start_review
from colonnade.lint.schema import schema_rules

MIN_POOL_BYTES = 400_000  # of Python; for less, starting processes takes longer than they save
REVIEW_WEIGHT = 4  # how many times longer a file takes that is reviewed, and not only scanned
Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """The result of a check.

    Attributes:
        findings: The findings, sorted by path and line.
        files: The number of files checked.
        lines: The number of lines in them.
        skipped: The files that were not checked, each with the reason.
        known: The number of findings that the baseline contains.
    """

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    lines: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    known: int = 0


def check(
    settings: Settings,
    paths: Sequence[Path] = (),
    *,
    jobs: int = 1,
    cached: bool = True,
    progress: Progress | None = None,
    contents: dict[Path, bytes] | None = None,
) -> Report:
    """Check files.

    Args:
        settings: The project's settings.
        paths: The files and folders to report; by default the project's root. The rest of the
            project is read as well, to resolve names.
        jobs: The maximum number of processes.
        cached: Whether to use and update the cache.
        progress: Called with the name of the step, the number of files done, and their total.
        contents: The content of files that differs from the disk, such as open documents.

    Raises:
        CheckError: A path does not exist, or a rule code is unknown.
    """
    _check_codes(settings)
    files = _files(settings, paths or [settings.root], contents or {})
    cache = Cache(settings.root if cached else None)
    run = _CheckRun(settings, files, cache, progress or _no_progress, contents or {})
    with _without_collection():
        report = run.run(jobs)
    cache.save()
    return report


@contextmanager
def _without_collection() -> Iterator[None]:
    """Collect no garbage: nodes of syntax trees have no cycles, and to look for some takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def selected(settings: Settings, finding: Finding, name: str) -> bool:
    """Whether the settings select a finding."""
    code = finding.code
    if code in _optional_codes() and code not in settings.select:
        return False
    if not code.startswith(settings.select) or (
        settings.ignore and code.startswith(settings.ignore)
    ):
        return False
    return not any(
        code.startswith(codes) and (fnmatch(name, pattern) or fnmatch(Path(name).name, pattern))
        for pattern, codes in settings.per_file_ignores.items()
    )


@cache
def _optional_codes() -> frozenset[str]:
    return frozenset(rule.code for rule in all_rules() if not rule.is_default)


def _check_codes(settings: Settings) -> None:
    codes = [rule.code for rule in (*all_rules(), *schema_rules())]
    prefixes = [*settings.select, *settings.ignore]
    prefixes += [prefix for ignored in settings.per_file_ignores.values() for prefix in ignored]
    for prefix in prefixes:
        if not any(code.startswith(prefix) for code in codes):
            raise CheckError(
                f"Unknown rule {prefix!r}. Run `colonnade check --rules` for the list."
            )


def _files(
    settings: Settings, paths: Iterable[Path], contents: dict[Path, bytes]
) -> list[ProjectFile]:
    """The files to report, followed by the rest of the project."""
    files = Files(settings.root, settings.exclude)
    reported = dict.fromkeys(
        path for path in _expand_paths(files, paths, contents) if not files.excluded(path)
    )
    paths_to_read = dict(reported)
    if is_project_root(settings.root):
        rest = files.walk(settings.root)
        paths_to_read.update(dict.fromkeys(path for path in rest if path.suffix in (".py", ".pyi")))
    names = {path: files.relative_name(path) for path in paths_to_read}
    modules = module_names(names.values())
    return [
        ProjectFile(path, name, modules[name], is_reported=path in reported)
        for path, name in names.items()
    ]


def _expand_paths(
    files: Files, paths: Iterable[Path], contents: dict[Path, bytes]
) -> Iterator[Path]:
    """Yield the files among the paths, and the files in their folders."""
    for path in paths:
        absolute = path.absolute()
        if path.is_dir():
            yield from files.walk(absolute)
        elif path.exists() or path.is_symlink() or absolute in contents:
            if path.suffix not in SUFFIXES:
                raise CheckError(f"{path} is not a Python file, Markdown file or notebook.")
            yield absolute
        else:
            raise CheckError(f"The path {path} does not exist.")


def _no_progress(what: str, done: int, total: int) -> None:
    pass


class _CheckRun:
    """One check of the files of a project."""

    def __init__(
        self,
        settings: Settings,
        files: list[ProjectFile],
        cache: Cache,
        progress: Progress,
        contents: dict[Path, bytes],
    ) -> None:
        self._settings = settings
        self._files = files
        self._cache = cache
        self._progress = progress
        self._contents = contents
        self._records: dict[str, FileRecord] = {}
        self._processes: dict[str, int] = {}  # the number of the one that has scanned a file
        self._report = Report()
        self._requirements = read_requirements(settings.root)

    def run(self, jobs: int) -> Report:
        waiting = self._read_files()
        size = sum(len(data) for _, data in waiting)
        try:
            with Processes(jobs if size > MIN_POOL_BYTES else 1) as processes:
                self._scan(waiting, processes)
                self._review(processes)
        finally:
            forget()
        return self._make_report()

    def _read_files(self) -> list[tuple[ProjectFile, bytes]]:
        """Read all files; return those that are not in the cache with their content."""
        waiting = []
        for file in self._files:
            try:
                data = self._contents.get(file.path)
                if data is None:
                    data = file.path.read_bytes()
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                finding = unreadable_finding(file.name, UnreadableError(reason))
                self._records[file.name] = FileRecord(
                    "", {}, mentions_libraries=False, errors=[finding]
                )
                continue
            if len(data) > self._settings.max_file_size:
                size = f"{len(data) / 1_000_000:.1f} MB, more than max-file-size"
                if file.is_reported:
                    self._report.skipped.append((self._display_path(file), size))
                continue
            record = self._cache.get(file.name, content_hash(data, file.module))
            if record is None:
                waiting.append((file, data))
            else:
                self._records[file.name] = record
        return waiting

    def _scan(self, waiting: list[tuple[ProjectFile, bytes]], processes: Processes) -> None:
        shares = split(waiting, processes.count, _scan_weight)
        done = 0
        for process, result in processes.map(scan_files, shares):
            for name, record in result:
                self._processes[name] = process
                self._records[name] = record
                self._cache.put(name, record)
                done += 1
            self._progress("reading", done, len(waiting))

    def _review(self, processes: Processes) -> None:
        names, packages, previous_blocks = self._names()
        relevant = _relevant_files(self._records, names)
        keys = self._keys(names, relevant)
        stale = [
            file
            for file in self._files
            if file.is_reported and file.name in relevant
            if self._records[file.name].key != keys[file.name]
        ]
        files = {file.module: file for file in self._files}
        job = ReviewJob(
            dict(names.summaries), packages, previous_blocks, files, self._contents,
            self._requirements,
        )  # fmt: skip
        processes.start(start_review, job)
        known = [file for file in stale if file.name not in self._processes]
        shares = split(known, processes.count, lambda file: self._records[file.name].lines)
        for file in stale:
            if file.name in self._processes:
                shares[self._processes[file.name]].append(file)
        done = 0
        for _, result in processes.map(review_files, shares):
            for name, findings in result:
                self._records[name].findings = findings
                self._records[name].key = keys[name]
                self._cache.changed = True
                done += 1
            self._progress("checking", done, len(stale))

    def _names(self) -> tuple[Names, list[str], dict[str, str]]:
        summaries = {}
        previous_blocks = {}
        for record in self._records.values():
            summaries.update(record.summaries)
            previous_blocks.update(record.previous_blocks)
        packages = [file.module for file in self._files if is_package(file.name)]
        return Names(summaries, packages, previous_blocks), packages, previous_blocks

    def _keys(self, names: Names, relevant: set[str]) -> dict[str, str]:
        """For each file, the hash of everything that its findings depend on."""
        owners = {
            module: name for name, record in self._records.items() for module in record.summaries
        }
        content_hashes = {name: record.content for name, record in self._records.items()}
        hashes = dependency_hashes(_file_imports(names, owners), content_hashes)
        # Relations and foreign keys refer to tables by name, without an import, and a scope applies
        # to its table everywhere.
        modules = (*_table_modules(names), *_scope_modules(names))
        shared = {name: hashes[name] for name in map(owners.get, modules) if name}
        shared["summaries"] = combine_hashes(
            {name: summaries_hash(record.summaries) for name, record in self._records.items()}
        )
        shared["requirements"] = repr(sorted(self._requirements.items()))
        common = combine_hashes(shared)
        return {name: combine_hashes({"": common, name: hashes[name]}) for name in relevant}

    def _make_report(self) -> Report:
        report = self._report
        for file in self._files:
            record = self._records.get(file.name)
            if not file.is_reported or record is None:
                continue
            report.files += 1
            report.lines += record.lines
            display_path = self._display_path(file)
            for finding in (*record.errors, *record.findings):
                if selected(self._settings, finding, file.name):
                    report.findings.append(replace(finding, path=display_path))
        report.findings.sort(
            key=lambda finding: (
                finding.path,
                finding.cell or 0,
                finding.line,
                finding.column,
                finding.code,
            )
        )
        return report

    def _display_path(self, file: ProjectFile) -> str:
        """The path relative to the current directory if it is inside, else the absolute path."""
        here = Path.cwd()
        path = file.path
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _scan_weight(item: tuple[ProjectFile, bytes]) -> int:
    """The weight of a file: how long it probably takes to scan and to review."""
    _, data = item
    is_reviewed = any(subject in data for subject in _SUBJECTS)
    return len(data) * (REVIEW_WEIGHT if is_reviewed else 1)


_SUBJECTS = [subject.encode() for subject in lib.SUBJECTS]


def _table_modules(names: Names) -> Iterable[str]:
    """Yield the modules that define tables."""
    tables = names.tables | names.subclasses.get(lib.DECLARATIVE, frozenset())
    for module, name in names.classes():
        bases = names.bases[f"{module}.{name}"]
        if f"{module}.{name}" in tables or any(base.endswith("Base") for base in bases):
            yield module


def _scope_modules(names: Names) -> Iterable[str]:
    """Yield the modules that may define the dependencies of scopes and of inclusions."""
    dependencies = set(names.scopes.values())
    if dependencies:
        for inclusions in names.inclusions.values():
            dependencies.update(name for *_, listed in inclusions for name in listed)
    for dependency in dependencies:
        parts = dependency.split(".")
        yield from (".".join(parts[:size]) for size in range(1, len(parts)))


def _file_imports(names: Names, owners: dict[str, str]) -> dict[str, set[str]]:
    """For each file, the files that it imports and the conftest files whose fixtures it can use."""
    imports: dict[str, set[str]] = {owner: set() for owner in owners.values()}
    for module, owner in owners.items():
        imported = imports[owner]
        imported |= {
            owners[module_name] for module_name in names.imports(module) if module_name in owners
        }
        parts = module.split(".")
        conftests = (".".join([*parts[:size], "conftest"]) for size in range(len(parts)))
        imported |= {owners[conftest] for conftest in conftests if conftest in owners}
    return imports


def _relevant_files(records: dict[str, FileRecord], names: Names) -> set[str]:
    """The files that mention a library or import a file that does, however far."""
    owners = {module: name for name, record in records.items() for module in record.summaries}
    importers: dict[str, set[str]] = {}
    for module, owner in owners.items():
        for imported in names.imports(module):
            if imported in owners:
                importers.setdefault(owners[imported], set()).add(owner)
    relevant = {
        name for name, record in records.items() if record.mentions_libraries and record.summaries
    }
    waiting = list(relevant)
    while waiting:
        for importer in importers.get(waiting.pop(), ()):
            if importer not in relevant:
                relevant.add(importer)
                waiting.append(importer)
    return relevant


def default_jobs() -> int:
    """The number of processors that this process can use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
