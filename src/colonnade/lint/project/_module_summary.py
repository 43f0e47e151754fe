"""Summaries of modules: small, cached, and enough to resolve names across files.

A summary spells names as the module's imports do; ``Names`` resolves them in the project.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from colonnade.lint.project._tree import walk

QUERIES = frozenset({"select", "update", "delete", "insert", "exists", "aliased"})
LOOKUPS = frozenset({"get", "get_one", "query"})
Inclusion = tuple[str, str, str, tuple[str, ...]]
DEFINITION = ""  # the export of a name that the module defines itself


@dataclass(slots=True)
class ClassSummary:
    """The bases of a class, as written, and whether it has ``table=True``."""

    bases: tuple[str, ...]
    table: bool


@dataclass(slots=True)
class ModuleSummary:
    """What other files need to know about a module.

    Attributes:
        exports: The module's names with the dotted path that each refers to; DEFINITION for names
            that the module defines.
        stars: The modules of its ``import *`` statements.
        classes: The top-level classes.
        queried: Dotted paths of the classes that it selects, gets or changes.
        depends: Dotted paths of dependencies, each with whether it is torn down before the
            response is sent (``scope="function"``).
        scopes: For each call with ``scope=``, the dotted paths of what it calls, of its first
            argument and of the scope: ``Resource(Task, db, scope=own_tasks)``.
        inclusions: For each ``include_router``, the dotted paths of the router around and of the
            included one, the prefix, and the dotted paths of the dependencies.
        expiring: For each async session or session factory created, whether rows expire on commit.
        migrations: Whether it uses Alembic or Colonnade's migrations.
        imports: Dotted paths of all imports, including those inside functions.
    """

    exports: dict[str, str] = field(default_factory=dict)
    stars: tuple[str, ...] = ()
    classes: dict[str, ClassSummary] = field(default_factory=dict)
    queried: frozenset[str] = frozenset()
    depends: frozenset[tuple[str, bool]] = frozenset()
    scopes: frozenset[tuple[str, str, str]] = frozenset()
    inclusions: frozenset[Inclusion] = frozenset()
    expiring: tuple[bool, ...] = ()
    migrations: bool = False
    imports: tuple[str, ...] = ()


def absolute_import(name: str, package: str) -> str:
    """The absolute form of a relative import: ``..models`` in ``app.api`` is ``app.models``."""
    dots = len(name) - len(name.lstrip("."))
    if not dots:
        return name
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - dots + 1]
    return ".".join([*kept, *filter(None, [name[dots:]])])


def summarize_module(
    tree: ast.Module, package: str, *, inside_functions: bool = True
) -> ModuleSummary:
    """Summarize a module.

    Args:
        tree: The module.
        package: The package that its relative imports start from.
        inside_functions: Whether to look inside functions. Files that mention none of the
            libraries do not need it.
    """
    summary = ModuleSummary()
    stars: list[str] = []
    for statement in top_level(tree.body):
        _add_statement(statement, package, summary, stars)
    summary.stars = tuple(stars)
    _add_uses(tree, package, summary, inside_functions=inside_functions)
    return summary


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import, including those inside ``if``, ``try`` and ``with``."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "handlers", "finalbody"):
            if isinstance(statement, ast.If | ast.Try | ast.TryStar | ast.With | ast.ExceptHandler):
                inner = getattr(statement, name, [])
                for nested in inner:
                    yield from top_level(
                        nested.body if isinstance(nested, ast.ExceptHandler) else [nested]
                    )


def _add_statement(  # noqa: C901, PLR0912 - one case per kind of statement
    statement: ast.stmt, package: str, summary: ModuleSummary, stars: list[str]
) -> None:
    match statement:
        case ast.Import(names):
            for alias in names:
                name = alias.asname or alias.name.split(".")[0]
                summary.exports[name] = alias.name if alias.asname else name
        case ast.ImportFrom():
            source = absolute_import("." * statement.level + (statement.module or ""), package)
            for alias in statement.names:
                if alias.name == "*":
                    stars.append(source)
                else:
                    summary.exports.setdefault(alias.asname or alias.name, f"{source}.{alias.name}")
        case ast.ClassDef():
            summary.exports[statement.name] = DEFINITION
            summary.classes[statement.name] = ClassSummary(
                tuple(name for base in statement.bases if (name := dotted_path(base))),
                is_table(statement),
            )
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            summary.exports[name] = DEFINITION
        case ast.Assign(targets=targets):
            for target in targets:
                if isinstance(target, ast.Name):
                    summary.exports.setdefault(target.id, DEFINITION)
        case ast.AnnAssign(target=ast.Name(id=name)):
            summary.exports.setdefault(name, DEFINITION)
        case _ if type(statement).__name__ == "TypeAlias":  # missing in Python 3.11
            summary.exports.setdefault(alias_name(statement), DEFINITION)


def alias_name(statement: ast.stmt) -> str:
    """The name that a ``type X = ...`` statement defines."""
    name: ast.Name = vars(statement)["name"]
    return name.id


def is_table(node: ast.ClassDef) -> bool:
    """Whether a class has ``table=True``."""
    return any(
        keyword.arg == "table"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in node.keywords
    )


def dotted_path(node: ast.expr) -> str:
    """An expression as a dotted path; empty if it is not one.

    Subscripts are ignored: ``Base[T]`` is ``Base``.
    """
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Name):
            parts.append(node.id)
            return ".".join(reversed(parts))
        else:
            return ""


def _add_uses(
    tree: ast.Module, package: str, summary: ModuleSummary, *, inside_functions: bool
) -> None:
    queried: set[str] = set()
    depends: set[tuple[str, bool]] = set()
    scopes: set[tuple[str, str, str]] = set()
    inclusions: set[Inclusion] = set()
    expiring: list[bool] = []
    imports = {*summary.exports.values(), *summary.stars} - {DEFINITION}
    for node in walk(tree) if inside_functions else ():
        if isinstance(node, ast.ImportFrom):
            source = absolute_import("." * node.level + (node.module or ""), package)
            imports.update(f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        if not isinstance(node, ast.Call):
            continue
        name = _last_name(node.func)
        if name in QUERIES or (name in LOOKUPS and isinstance(node.func, ast.Attribute)):
            queried.update(
                path
                for argument in node.args
                if isinstance(argument, ast.Name | ast.Attribute)
                and (path := dotted_path(argument))
            )
        elif name in ("Depends", "Security") and node.args:
            early = any(
                keyword.arg == "scope"
                and isinstance(keyword.value, ast.Constant)
                and keyword.value.value == "function"
                for keyword in node.keywords
            )
            depends.add((dotted_path(node.args[0]), early))
        elif name in ("async_sessionmaker", "AsyncSession", "sessionmaker"):
            expiring += _expires_on_commit(node, name)
        elif name == "include_router" and node.args:
            inclusions.add(_inclusion(node))
        elif node.args and (scope := _scope_argument(node)):
            scopes.add((dotted_path(node.func), dotted_path(node.args[0]), scope))
    summary.imports = tuple(sorted(imports))
    summary.queried = frozenset(queried)
    summary.depends = frozenset(depends)
    summary.scopes = frozenset(scopes)
    summary.inclusions = frozenset(inclusions)
    summary.expiring = tuple(expiring)
    summary.migrations = any(
        path.startswith(("alembic", "colonnade.migrations")) for path in summary.exports.values()
    )


def _expires_on_commit(node: ast.Call, name: str) -> list[bool]:
    options = {keyword.arg: keyword.value for keyword in node.keywords}
    if None in options:  # unknown `**options`
        return []
    if name == "sessionmaker" and "AsyncSession" not in ast.dump(options.get("class_", ast.Pass())):
        return []
    value = options.get("expire_on_commit", ast.Constant(value=True))
    return [bool(value.value)] if isinstance(value, ast.Constant) else []


def _inclusion(node: ast.Call) -> Inclusion:
    around = dotted_path(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    options = {keyword.arg: keyword.value for keyword in node.keywords}
    prefix, listed = options.get("prefix"), options.get("dependencies")
    dependencies: tuple[str, ...] = () if listed is None else ("",)
    if isinstance(listed, ast.List | ast.Tuple):
        dependencies = tuple(
            dotted_path(element.args[0]) if isinstance(element, ast.Call) and element.args else ""
            for element in listed.elts
        )
    text = prefix.value if isinstance(prefix, ast.Constant) else ""
    return around, dotted_path(node.args[0]), str(text), dependencies


def _scope_argument(node: ast.Call) -> str:
    """The dotted path of the argument ``scope``, with or without ``Depends()`` around it."""
    for keyword in node.keywords:
        if keyword.arg == "scope":
            value = keyword.value
            if isinstance(value, ast.Call) and value.args and _last_name(value.func) == "Depends":
                value = value.args[0]
            return dotted_path(value)
    return ""


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case _:
            return ""
