"""Parsed modules: the syntax tree, parent nodes, and the names that a module defines."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from operator import attrgetter
from typing import TypeVar, cast

from colonnade.lint.project._module_summary import ModuleSummary, alias_name, top_level
from colonnade.lint.project._sources import CodeBlock, Source
from colonnade.lint.project._tree import CHILD_FIELDS

Node = TypeVar("Node", bound=ast.AST)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
_position = attrgetter("lineno", "col_offset")
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef | ast.Module


class Module:
    """A parsed block of Python: a file, a Markdown block or a notebook cell.

    Attributes:
        name: Its qualified name in the project.
        path: The file, as the user named it.
        source: The file's text.
        block: The part of the file that was parsed.
        summary: What other files need to know about it.
        tree: The syntax tree.
    """

    def __init__(
        self,
        name: str,
        path: str,
        source: Source,
        block: CodeBlock,
        summary: ModuleSummary,
        tree: ast.Module,
    ) -> None:
        self.name = name
        self.path = path
        self.source = source
        self.block = block
        self.summary = summary
        self.tree = tree
        self._members: dict[ast.ClassDef, dict[str, list[ast.stmt]]] = {}

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """The first statement that defines each top-level name."""
        definitions: dict[str, ast.stmt] = {}
        for statement in top_level(self.tree.body):
            for name in defined_names(statement):
                definitions.setdefault(name, statement)
        return definitions

    @cached_property
    def bindings(self) -> dict[str, list[ast.stmt]]:
        """All statements that bind each top-level name; several if branches define it."""
        bindings: dict[str, list[ast.stmt]] = defaultdict(list)
        for statement in top_level(self.tree.body):
            for name in (*defined_names(statement), *_imported_names(statement)):
                bindings[name].append(statement)
        return bindings

    def members(self, owner: ast.ClassDef) -> dict[str, list[ast.stmt]]:
        """The statements in the body of a class that define each of its names."""
        if owner not in self._members:
            members = self._members[owner] = defaultdict(list)
            for statement in owner.body:
                for name in dict.fromkeys(defined_names(statement)):
                    members[name].append(statement)
        return self._members[owner]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of each node."""
        return self._index[0]

    def nodes(self, kind: type[Node]) -> list[Node]:
        """All nodes of an ``ast`` class, in source order."""
        return cast("list[Node]", self._index[1].get(kind, []))

    @property
    def calls(self) -> list[ast.Call]:
        """Every call."""
        return self.nodes(ast.Call)

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """All calls by the last name of the callee: ``session.exec(...)`` under ``exec``."""
        calls: dict[str, list[ast.Call]] = defaultdict(list)
        for call in self.calls:
            if isinstance(call.func, ast.Attribute):
                calls[call.func.attr].append(call)
            elif isinstance(call.func, ast.Name):
                calls[call.func.id].append(call)
        return calls

    @property
    def classes(self) -> list[ast.ClassDef]:
        """All classes, including nested ones."""
        return self.nodes(ast.ClassDef)

    @cached_property
    def functions(self) -> list[Function]:
        """All functions, including methods and nested functions."""
        functions: list[Function] = [
            *self.nodes(ast.FunctionDef),
            *self.nodes(ast.AsyncFunctionDef),
        ]
        return sorted(functions, key=lambda node: node.lineno)

    def calls_named(self, *names: str) -> Iterator[ast.Call]:
        """Yield the calls of functions and methods with one of these names."""
        for name in names:
            yield from self.calls_by_name.get(name, ())

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes that contain a node, innermost first."""
        parents = self.parents
        while (parent := parents.get(node)) is not None:
            yield parent
            node = parent

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The parent of a node."""
        return self.parents.get(node)

    def enclosing_function(self, node: ast.AST) -> Function | None:
        """The function whose body contains a node; None inside a lambda or a class body."""
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, FUNCTIONS):
                return ancestor
            if isinstance(ancestor, ast.Lambda | ast.ClassDef):
                return None
        return None

    def owning_class(self, function: ast.AST) -> ast.ClassDef | None:
        """The class that a function is a method of, or None."""
        parent = self.parents.get(function)
        return parent if isinstance(parent, ast.ClassDef) else None

    def qualified_name(self, node: Function | ast.ClassDef) -> str:
        """The qualified name of a function or class of this module."""
        around = [
            ancestor.name
            for ancestor in self.ancestors(node)
            if isinstance(ancestor, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return ".".join([self.name, *reversed(around), node.name])

    def enclosing_statement(self, node: ast.AST) -> ast.stmt | None:
        """The innermost statement that contains a node."""
        if isinstance(node, ast.stmt):
            return node
        return next(
            (ancestor for ancestor in self.ancestors(node) if isinstance(ancestor, ast.stmt)), None
        )

    @cached_property
    def _index(self) -> tuple[dict[ast.AST, ast.AST], dict[type[ast.AST], list[ast.AST]]]:
        parents: dict[ast.AST, ast.AST] = {}
        kinds: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            kinds[type(node)].append(node)
            for name in CHILD_FIELDS[type(node)] or ():
                value = getattr(node, name, None)
                children = value if isinstance(value, list) else (value,)
                for child in children:
                    if isinstance(child, ast.AST):
                        parents[child] = node
                        waiting.append(child)
        for kind, nodes in kinds.items():
            if "lineno" in kind._attributes:
                nodes.sort(key=_position)
        return parents, kinds


def parameters(function: Function) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Yield each parameter of a function with its default."""
    arguments = function.args
    names = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    yield from zip(names, [*missing, *arguments.defaults], strict=True)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


def _imported_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.partition(".")[0]


def defined_names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            yield name
        case ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.With(items=items):
            for item in items:
                if isinstance(item.optional_vars, ast.Name):
                    yield item.optional_vars.id
        case _ if type(statement).__name__ == "TypeAlias":
            yield alias_name(statement)
