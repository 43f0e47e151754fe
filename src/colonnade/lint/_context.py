"""The context that a rule checks a module in."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from colonnade.lint._findings import Finding, Fix
from colonnade.lint.fixes._edits import Editor
from colonnade.lint.inference._flow import Flow, Inference, Read
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import TypeHint
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.project._modules import FUNCTIONS, Function, Module
from colonnade.lint.project._project import ModuleScope

VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "api_route"})
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
TEST_FILES = re.compile(r"^(test_.*|.*_tests?|conftest|tests?)$")
TEST_FOLDERS = frozenset({"test", "tests", "testing", "e2e"})
MIGRATIONS = frozenset({"alembic", "migrations", "versions"})


@dataclass(frozen=True)
class Endpoint:
    """A path operation function.

    Attributes:
        node: The function.
        verb: The HTTP method in lower case.
        route: The call in its decorator.
    """

    node: Function
    verb: str
    route: ast.Call

    def option(self, name: str) -> ast.expr | None:
        """The value of a keyword argument of the route, or None."""
        return next((keyword.value for keyword in self.route.keywords if keyword.arg == name), None)


class Context:
    """A module and everything that rules can ask about it.

    Attributes:
        module: The module.
        inference: The inference of the project.
        project: The project that the module is part of.
        scope: Resolves the module's names.
        editor: Makes the edits of fixes.
    """

    def __init__(self, module: Module, inference: Inference) -> None:
        self.module = module
        self.inference = inference
        self.project = inference.project
        self.scope = ModuleScope(inference.project, module)
        self.editor = Editor(module)

    # Contents of the module.

    @cached_property
    def models(self) -> list[Model]:
        """The tables and schemas that the module defines."""
        models = (
            self.project.model(self.module.qualified_name(node)) for node in self.module.classes
        )
        return [model for model in models if model is not None and model.module is self.module]

    @cached_property
    def fields(self) -> list[ModelField]:
        """The fields that the module's models declare themselves, without inherited ones."""
        return [
            member
            for model in self.models
            for member in model.declared.values()
            if isinstance(member, ModelField)
        ]

    @cached_property
    def flows(self) -> list[Flow]:
        """The flows of the module body and of each function."""
        nodes = [self.module.tree, *self.module.functions]
        flows = [self.inference.flow(node, self.module) for node in nodes]
        return [flow for flow in flows if flow is not None]

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """The path operation functions."""
        return [
            Endpoint(node, call.func.attr, call)
            for node in self.module.functions
            for call in node.decorator_list
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            if call.func.attr in VERBS and self._is_route(call, call.func.value)
        ]

    def is_router(self, node: ast.expr) -> bool | None:
        """Whether an expression is an app or a router of FastAPI; None if that is unknown."""
        value = self.value(node)
        if value is None or value.kind is not Kind.INSTANCE:
            return None
        names = {value.name, *self.project.ancestry(value.name)}
        return not names.isdisjoint({lib.FASTAPI, lib.API_ROUTER})

    def _is_route(self, call: ast.Call, router: ast.expr) -> bool:
        if self.is_router(router):
            return True
        path = call.args[0] if call.args else None
        return (
            isinstance(path, ast.Constant)
            and isinstance(path.value, str)
            and (path.value == "" or path.value.startswith("/"))
        )

    @cached_property
    def request_functions(self) -> frozenset[Function]:
        """The functions that run during a request: endpoints and dependencies."""
        functions = {endpoint.node for endpoint in self.endpoints}
        functions |= {
            node
            for node in self.module.functions
            if self.module.qualified_name(node) in self.project.names.dependencies
        }
        return frozenset(functions)

    @cached_property
    def is_test(self) -> bool:
        """Whether the module is a test, judging by its name or its folder."""
        path = PurePath(self.module.path)
        in_folder = not TEST_FOLDERS.isdisjoint(path.parts[:-1])
        return in_folder or TEST_FILES.match(path.stem) is not None

    @cached_property
    def is_migration(self) -> bool:
        """Whether the module is an Alembic migration."""
        return self.module.summary.migrations and not MIGRATIONS.isdisjoint(
            PurePath(self.module.path).parts
        )

    # Nodes of the module.

    @cached_property
    def _values(self) -> dict[ast.AST, Value]:
        values: dict[ast.AST, Value] = {}
        for flow in self.flows:
            values.update(flow.values)
        return values

    def value(self, node: ast.AST | None) -> Value | None:
        """The inferred value of an expression, or None if it is unknown."""
        return self._values.get(node) if node is not None else None

    @cached_property
    def reads(self) -> list[Read]:
        """The attribute reads of expired rows and of relations that were not loaded."""
        return [read for flow in self.flows for read in flow.reads.values()]

    def resolve(self, node: ast.expr | None) -> str:
        """The qualified name that an expression refers to; empty if there is none."""
        return self.scope.resolve(node) if node is not None else ""

    def hint(self, node: ast.expr | None) -> TypeHint:
        """The type hint that an annotation expresses."""
        return self.scope.hint(node)

    def session_of(self, call: ast.Call, names: frozenset[str] = lib.SESSIONS) -> Value | None:
        """The session that a method is called on, if it is an instance of one of the classes."""
        inferred = self.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
        return inferred if inferred is not None and inferred.is_instance(names) else None

    def enclosing_loops(self, node: ast.AST) -> Iterator[ast.AST]:
        """The loops in the same function that repeat a node, innermost first."""
        inner = node
        for ancestor in self.module.ancestors(node):
            if isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
                return
            if (isinstance(ancestor, LOOPS) and not _is_iterable(ancestor, inner)) or (
                isinstance(ancestor, COMPREHENSIONS) and inner is not ancestor.generators[0]
            ):
                yield ancestor
            inner = ancestor

    # Findings.

    def finding(
        self,
        code: str,
        node: ast.AST,
        message: str,
        *,
        fix: Fix | None = None,
        advice: str | None = None,
        whole: bool = True,
        hidden: bool = False,
    ) -> Finding:
        """Make a finding at a node.

        Args:
            code: The rule's code.
            node: The location.
            message: What is wrong.
            fix: The fix, if there is one.
            advice: What to do about the problem.
            whole: Whether to underline the whole node; if not, only the name of a class or
                function, or the first line.
            hidden: Whether the source text is a secret that must not be shown.
        """
        line, offset, end_line, end_offset = _extent(node, whole=whole)
        block = self.module.block
        if not whole and isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            text = block.text_lines[line - 1]
            name_match = re.search(rf"\b{re.escape(node.name)}\b", text[offset:])
            if name_match is not None:
                start = len(text[: offset + name_match.start()].encode())
                offset, end_line, end_offset = start, line, start + len(node.name.encode())
        start_line, column = block.position(line, offset)
        last_line, end_column = block.position(end_line, end_offset)
        fix = fix if self.module.source.editable else None
        return Finding(
            self.module.path, start_line, column, code, " ".join(message.split()), last_line,
            end_column, block.cell, advice, fix, hidden,
        )  # fmt: skip


def _is_iterable(loop: ast.AST, inner: ast.AST) -> bool:
    """Whether a node is the iterable of a loop, which is evaluated once."""
    return inner is getattr(loop, "iter", None)


def _extent(node: ast.AST, *, whole: bool) -> tuple[int, int, int, int]:
    line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    end_line = getattr(node, "end_lineno", None) or line
    end_offset = getattr(node, "end_col_offset", None) or offset
    if not whole and end_line > line:
        end_line, end_offset = line, offset
    return line, offset, end_line, end_offset
