"""The work of a run that can be done in worker processes: scanning and reviewing files."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from colonnade.lint._findings import Finding
from colonnade.lint.inference._walker import infer
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._files import ProjectFile
from colonnade.lint.project._module_summary import ModuleSummary
from colonnade.lint.project._modules import Module
from colonnade.lint.project._names import Names
from colonnade.lint.project._project import Project
from colonnade.lint.project._sources import UnreadableError, read
from colonnade.lint.rules import all_rules
from colonnade.lint.runner._cache import FileRecord, content_hash
from colonnade.lint.runner._checking import (
    failure_finding,
    package_of,
    parse,
    review,
    unreadable_finding,
)


@dataclass(frozen=True)
class ReviewJob:
    """The input of a review.

    Attributes:
        files: Each file, by the name of its module.
        requirements: The versions of packages that the project requires.
    """

    summaries: dict[str, ModuleSummary]
    packages: list[str]
    previous_blocks: dict[str, str]
    files: dict[str, ProjectFile]
    contents: dict[Path, bytes]
    requirements: dict[str, str]


class _Reviewer:
    """Reviews files of one project; modules are parsed on demand."""

    def __init__(self, job: ReviewJob) -> None:
        self._job = job
        names = Names(job.summaries, job.packages, job.previous_blocks)
        self.project = Project(names, self.load, job.requirements)
        self.inference = infer(self.project)
        self._parsed: dict[str, dict[str, Module]] = {}

    def load(self, name: str) -> Module | None:
        return self.modules(name.partition("#")[0]).get(name)

    def modules(self, module: str) -> dict[str, Module]:
        """The modules of a file, given the name of its first one."""
        if module in _scanned:
            self._parsed[module] = _scanned.pop(module)
        if module not in self._parsed:
            self._parsed[module] = {}
            file = self._job.files[module]
            with suppress(Exception):  # the scan has reported it
                data = self._job.contents.get(file.path)
                source = read(file.path.read_bytes() if data is None else data, file.path.suffix)
                parsed = parse(
                    module,
                    file.name,
                    source,
                    package_of(file.name),
                    summaries=self._job.summaries,
                )
                self._parsed[module] = parsed.modules
        return self._parsed[module]

    def review(self, file: ProjectFile) -> list[Finding]:
        findings: list[Finding] = []
        try:
            for name in self.modules(file.module):
                module = self.project.module(name)
                if module is not None:
                    findings += review(module, self.inference, all_rules())
        except Exception as error:
            findings.append(failure_finding(file.name, error, "the review"))
        return findings


_scanned: dict[str, dict[str, Module]] = {}  # by the module of the file, for the review
_reviewers: list[_Reviewer] = []


def forget() -> None:
    """Free what this process keeps for a run."""
    _scanned.clear()
    _reviewers.clear()


def start_review(job: ReviewJob) -> None:
    """Begin a review in this process."""
    _reviewers[:] = [_Reviewer(job)]


def review_files(files: list[ProjectFile]) -> list[tuple[str, list[Finding]]]:
    """Review files; parsed modules are kept for the next files of the same review."""
    (reviewer,) = _reviewers
    return [(file.name, reviewer.review(file)) for file in files]


def scan_files(files: list[tuple[ProjectFile, bytes]]) -> list[tuple[str, FileRecord]]:
    """Scan files for their summaries; those that rules are about are kept for the review."""
    return [(file.name, _scan_file(file, data)) for file, data in files]


def _scan_file(file: ProjectFile, data: bytes) -> FileRecord:
    """Scan a file; if that fails, the record contains the reason as a finding."""
    content = content_hash(data, file.module)
    try:
        source = read(data, file.path.suffix)
        mentions_libraries = any(subject in source.text for subject in lib.SUBJECTS)
        parsed = parse(
            file.module,
            file.name,
            source,
            package_of(file.name),
            inside_functions=mentions_libraries,
        )
    except UnreadableError as error:
        return FileRecord(
            content, {}, mentions_libraries=False, errors=[unreadable_finding(file.name, error)]
        )
    except Exception as error:
        return FileRecord(
            content,
            {},
            mentions_libraries=False,
            errors=[failure_finding(file.name, error, "reading")],
        )
    if mentions_libraries:
        _scanned[file.module] = parsed.modules
    summaries = {name: module.summary for name, module in parsed.modules.items()}
    return FileRecord(
        content,
        summaries,
        parsed.previous_blocks,
        source.text.count("\n"),
        mentions_libraries,
        list(parsed.errors),
    )
