"""Write a module of models: its imports and its formatted classes."""

import ast
import re
from collections.abc import Iterator

import sqlalchemy as sa

from colonnade.migrations.adopt._classes import DATES, MODULES, ClassSource
from colonnade.migrations.autogenerate._formatting import format_inline, format_lines

WIDTH = 100
_STANDARD = frozenset(("datetime", "decimal", "ipaddress", "typing", "uuid"))


def module_of(classes: list[ClassSource]) -> str:
    hidden = {field.name for model in classes for field in model.fields.values()}
    hidden |= {relation.name for model in classes for relation in model.relations}
    qualified_dates = bool(hidden & set(DATES))  # a field ``date`` would shadow the class
    bodies, used = [], set()
    for model in classes:
        base = "Timestamps" if model.has_timestamps else "SQLModel"
        trees = [ast.parse(source).body[0] for source in model.sources()]
        for tree in trees:
            used |= _used(tree, qualified_dates)
        used.add(base)
        bodies.append(_body(model, base, trees))
    lines = ['"""Models of an existing database, written by ``colonnade adopt``."""']
    imports = list(_imports(used - {model.name for model in classes}, qualified_dates))
    lines += ["", *imports] if imports else []
    return "\n".join(lines) + "\n" + "".join(f"\n\n{body}\n" for body in bodies)


def _used(tree: ast.stmt, qualified_dates: bool) -> set[str]:
    """The names that a statement uses; prefixes those of datetime with ``dt.`` if required."""
    target = getattr(tree, "target", None) or getattr(tree, "targets", [None])[0]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node is not target:
            names.add(node.id)
            if qualified_dates and node.id in DATES:
                node.id = f"dt.{node.id}"
    return names


def _imports(used: set[str], qualified_dates: bool) -> Iterator[str]:
    modules: dict[str, set[str]] = {}
    for name in used:
        module = MODULES.get(name) or ("sqlalchemy" if hasattr(sa, name) else None)
        if module is not None:
            modules.setdefault(module, set()).add(name)
    groups: list[list[str]] = [[], []]
    if qualified_dates and "datetime" in modules:
        del modules["datetime"]
        groups[0].append("import datetime as dt")
    for module in sorted(modules):
        names = sorted(modules[module], key=_isort_key)
        line = f"from {module} import {', '.join(names)}"
        if len(line) > WIDTH:
            line = "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
        groups[module not in _STANDARD].append(line)
    blocks = ["\n".join(group) for group in groups if group]
    yield from ("\n\n".join(blocks),) if blocks else ()


def _isort_key(name: str) -> tuple[int, str]:
    """Sort constants before classes before other names, as isort and Ruff do."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


def _body(model: ClassSource, base: str, trees: list[ast.stmt]) -> str:
    parts: list[list[str]] = [[], [], []]
    for tree in trees:
        is_plain = isinstance(tree, ast.Assign)
        related = "Relationship(" in ast.unparse(tree)
        parts[0 if is_plain else 2 if related else 1].append(_formatted(tree))
    blocks = ["\n".join(part) for part in parts if part] or ["    pass"]
    return f"class {model.name}({base}, table=True):\n" + "\n\n".join(blocks)


def _formatted(tree: ast.stmt) -> str:
    """A statement of a class, formatted as Ruff does."""
    match tree:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=None):
            lines = format_lines(kind, 4, f"{name}: ", "", WIDTH)
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=ast.expr() as value):
            lines = format_lines(value, 4, f"{name}: {format_inline(kind)} = ", "", WIDTH)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            lines = format_lines(value, 4, f"{name} = ", "", WIDTH)
        case _:
            lines = [f"    {ast.unparse(tree)}"]
    if re.match(r"    [lIO]: ", lines[0]):
        lines[0] += "  # noqa: E741"
    # Strings from the database cannot be wrapped.
    return "\n".join(f"{line}  # noqa: E501" if len(line) > WIDTH else line for line in lines)
