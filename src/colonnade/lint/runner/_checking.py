"""Checks sources in memory: parse them into modules, then run the rules on each module."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._flow import Inference
from colonnade.lint.inference._walker import infer
from colonnade.lint.project._module_summary import ModuleSummary, summarize_module
from colonnade.lint.project._modules import Module
from colonnade.lint.project._names import SHADOWED, Names
from colonnade.lint.project._project import Project
from colonnade.lint.project._sources import Source, UnreadableError

UNREADABLE = "CLN001"
NOQA = re.compile(
    r"#\s*noqa(?P<codes>\s*:\s*(?P<list>[A-Za-z]+[0-9]+(?:[\s,]+[A-Za-z]+[0-9]+)*))?", re.IGNORECASE
)
FILE_NOQA = re.compile(r"^\s*#\s*colonnade:\s*noqa(?:\s*:\s*(?P<list>[\w\s,]+))?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Parsed:
    """A parsed file.

    Attributes:
        name: The name of its module.
        path: Its path, as the user named it.
        source: Its text.
        modules: The parsed blocks; blocks that are not valid Python are missing.
        previous_blocks: For each block's module, the module of the block before.
        errors: The findings for what could not be parsed.
    """

    name: str
    path: str
    source: Source
    modules: dict[str, Module]
    previous_blocks: dict[str, str] = field(default_factory=dict)
    errors: tuple[Finding, ...] = ()


def parse(
    name: str,
    path: str,
    source: Source,
    package: str,
    *,
    inside_functions: bool = True,
    summaries: Mapping[str, ModuleSummary] | None = None,
) -> Parsed:
    """Parse a file.

    Args:
        name: The name of its module.
        path: Its path, as findings name it.
        source: Its text.
        package: The package that its relative imports start from.
        inside_functions: Whether to summarize what is inside functions.
        summaries: The summaries of modules that were summarized before.
    """
    modules: dict[str, Module] = {}
    previous_blocks: dict[str, str] = {}
    errors: list[Finding] = []
    last: str | None = None
    for number, block in enumerate(source.blocks, 1):
        block_name = f"{name}#{number}" if block.lenient else name
        try:
            tree = block.parse()
            summary = (summaries or {}).get(block_name) or summarize_module(
                tree, package, inside_functions=inside_functions
            )
        except UnreadableError as error:
            if not block.lenient:
                errors.append(unreadable_finding(path, error))
            continue
        except RecursionError:
            errors.append(_nesting_finding(path, block.first_line))
            continue
        modules[block_name] = Module(block_name, path, source, block, summary, tree)
        if last is not None:
            previous_blocks[block_name] = last
        last = block_name if block.lenient else None
    return Parsed(name, path, source, modules, previous_blocks, tuple(errors))


def unreadable_finding(path: str, error: UnreadableError) -> Finding:
    """The finding for a file that cannot be read."""
    end = error.column + 1
    return Finding(
        path, error.line, error.column, UNREADABLE, str(error), error.line, end, error.cell
    )


def failure_finding(path: str, error: Exception, where: str, line: int = 1) -> Finding:
    """The finding for a failure while checking a file, which does not stop the other files."""
    if isinstance(error, RecursionError):
        return _nesting_finding(path, line)
    reason = f"{where} failed here ({type(error).__name__}: {error}); please report this"
    return unreadable_finding(path, UnreadableError(reason, line))


def _nesting_finding(path: str, line: int) -> Finding:
    return unreadable_finding(path, UnreadableError("nested too deeply to be checked", line))


def review(module: Module, inference: Inference, rules: Iterable[Rule]) -> Iterator[Finding]:
    """Yield the findings of rules in a module in source order, without those that noqa silences."""
    context = Context(module, inference)
    findings: set[Finding] = set()
    for rule in rules:
        try:
            if rule.applies(context):
                findings.update(rule.check(context))
        except Exception as error:
            findings.add(failure_finding(module.path, error, rule.code, module.block.first_line))
    yield from sorted(finding for finding in findings if not _has_noqa(module, finding))


def check_sources(sources: Mapping[str, Source], rules: Iterable[Rule]) -> list[Finding]:
    """Check files in memory as one project.

    Args:
        sources: The files' texts, by path.
        rules: The rules to run.
    """
    rules = list(rules)
    names = module_names(sources)
    files = [parse(names[path], path, source, package_of(path)) for path, source in sources.items()]
    modules = {name: module for file in files for name, module in file.modules.items()}
    summaries: dict[str, ModuleSummary] = {name: module.summary for name, module in modules.items()}
    previous_blocks = {
        name: previous for file in files for name, previous in file.previous_blocks.items()
    }
    packages = [names[path] for path in sources if is_package(path)]
    inference = infer(Project(Names(summaries, packages, previous_blocks), modules.get))
    findings = [error for file in files for error in file.errors]
    for module in modules.values():
        findings += review(module, inference, rules)
    return sorted(findings)


def module_names(paths: Iterable[str]) -> dict[str, str]:
    """The unique module name of each file, by path.

    If an import could refer to several files, it refers to the package, then the module, then its
    stub, as in Python. The other files get a name that no import can spell.
    """
    names: dict[str, str] = {}
    shared: Counter[str] = Counter()
    for path in sorted(paths, key=lambda path: (not is_package(path), path.endswith("i"), path)):
        name = module_name(path)
        names[path] = f"{name}{SHADOWED}{shared[name]}" if shared[name] else name
        shared[name] += 1
    return names


def module_name(path: str) -> str:
    """The name by which a file is imported: its path from the project's root, with dots."""
    parts = path.replace("\\", "/").removesuffix(".py").removesuffix(".pyi").split("/")
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(re.sub(rf"[.#{SHADOWED}]", "_", part) for part in parts if part)


def is_package(path: str) -> bool:
    """Whether a file is an ``__init__``."""
    return path.replace("\\", "/").rpartition("/")[2] in ("__init__.py", "__init__.pyi")


def package_of(path: str) -> str:
    """The package that a file's relative imports start from."""
    name = module_name(path)
    return name if is_package(path) else name.rpartition(".")[0]


def _has_noqa(module: Module, finding: Finding) -> bool:
    whole = _file_noqa(module.source.text)
    if whole is not None and (not whole or finding.code in whole):
        return True
    lines = module.block.text_lines
    first = finding.line - module.block.first_line
    last = (finding.end_line or finding.line) - module.block.first_line
    indexes = {first, last}
    if "noqa" in module.source.text.lower():
        indexes.update(line - 1 for line in _statement_lines(module.tree.body, first + 1))
    return any(
        _line_has_noqa(lines[index], finding.code) for index in indexes if 0 <= index < len(lines)
    )


def _statement_lines(body: Iterable[ast.AST], line: int) -> tuple[int, ...]:
    """The first and last line of the statement that has a line, without the block below it."""
    for statement in body:
        inner = [
            child
            for name in ("body", "orelse", "handlers", "finalbody", "cases")
            for child in getattr(statement, name, [])
        ]
        decorators = getattr(statement, "decorator_list", [])
        # The lines of a case of `match` are those of its pattern.
        first = min(
            getattr(node, "lineno", line)
            for node in (getattr(statement, "pattern", statement), *decorators)
        )
        last = max((end_of(node) for node in (statement, *inner)), default=first)
        if first <= line <= last:
            below = _statement_lines(inner, line)
            head = [getattr(node, "lineno", last) for node in inner[:1]]
            return below or (first, min([last, *(start - 1 for start in head)]))
    return ()


def end_of(node: ast.AST) -> int:
    """The last line of a node."""
    return int(getattr(node, "end_lineno", None) or 0)


def _line_has_noqa(line: str, code: str) -> bool:
    match = NOQA.search(line)
    if match is None:
        return False
    codes = match["list"]
    return codes is None or code in {entry.upper() for entry in re.split(r"[\s,]+", codes)}


@lru_cache(maxsize=4)
def _file_noqa(text: str) -> frozenset[str] | None:
    if "colonnade:" not in text:
        return None
    match = FILE_NOQA.search(text)
    if match is None:
        return None
    return frozenset(filter(None, re.split(r"[\s,]+", (match["list"] or "").upper())))
