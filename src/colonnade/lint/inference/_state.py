"""What is known at a point of a function, and what inference asks of a flow and a project.

The protocols are what ``Flow`` and ``Project`` are to the modules below them, which they import.
"""

import ast
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Protocol

from colonnade.lint.inference._values import Value
from colonnade.lint.project._models import ProjectModels, Scope
from colonnade.lint.project._modules import Function, Module


@dataclass
class State:
    """What is known at one point.

    Attributes:
        names: What each name holds; ``self.session`` is a name too.
        expired: The names of rows that a commit has expired, and the commit.
        loaded: The relations of rows that were assigned or refreshed: name and relation.
        within: For the variable of a loop, what it loops over.
    """

    names: dict[str, Value | None] = field(default_factory=dict)
    expired: dict[str, ast.AST] = field(default_factory=dict)
    loaded: set[tuple[str, str]] = field(default_factory=set)
    within: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "State":
        """The same, to go another way."""
        return State(
            dict(self.names), dict(self.expired), set(self.loaded), dict(self.within)
        )  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A row is read, and that has a cost.

    Attributes:
        node: What is read: ``task.title``, or the name of a row that is read as a whole.
        row: The row.
        name: The attribute; empty for the whole row.
        expired: The commit that has expired it.
        lazy: Whether it is a relation that was not loaded.
    """

    node: ast.expr
    row: Value
    name: str
    expired: ast.AST | None = None
    lazy: bool = False


class FlowView(Protocol):
    """A ``Flow``, to what evaluates the expressions in it."""

    values: dict[ast.AST, Value]
    reads: dict[ast.expr, Read]
    yielded: list[Value | None]
    state: State

    @property
    def place(self) -> "FlowScope":
        """The module it is in."""

    @property
    def outer(self) -> "FlowView | None":
        """The function around it."""

    @property
    def returned(self) -> list[Value | None]:
        """What it returns."""

    def value(self, node: ast.AST | None) -> Value | None:
        """What an expression holds."""

    def lookup(self, name: str) -> Value | None:
        """What a name holds here, or in the functions around."""

    def bind(self, target: ast.expr, held: Value | None, value: ast.expr | None = None) -> None:
        """Give a target what it holds from here on."""

    def loop_variable(self, target: ast.expr, over: Value | None, source: ast.expr) -> None:
        """Give the target of a loop what it holds."""

    def commit(self, node: ast.AST, source: str) -> None:
        """Note that a session commits."""


class FlowProject(ProjectModels, Protocol):
    """A ``Project``, to what infers values in its modules."""

    @property
    def inferred_values(self) -> MutableMapping[str, Value | None]:
        """What dependencies and module variables hold, by their names."""

    def scope(self, module: Module) -> "FlowScope":
        """A module's scope."""

    def module(self, name: str) -> Module | None:
        """A module, parsed."""

    def definition(self, name: str) -> tuple[ast.stmt, Module] | None:
        """The statement that defines a name, and its module."""

    def function(self, name: str) -> tuple[Function, Module] | None:
        """A function or a method of the project."""

    def callee(self, name: str) -> tuple[Function, Module] | None:
        """The function or the method that a name calls."""

    def overloads(self, function: Function, module: Module) -> list[Function]:
        """All definitions of what a function is one definition of."""

    def method(self, name: str, method: str) -> tuple[Function, Module] | None:
        """A method of a class of the project."""

    def flow(self, node: Function | ast.Module, module: Module) -> FlowView | None:
        """How a function or a module runs."""

    def committed(self, function: Function, module: Module) -> frozenset[str]:
        """The parameters that a function commits."""


class FlowScope(Scope, Protocol):
    """A ``ModuleScope``, to what infers values in it."""

    @property
    def project(self) -> FlowProject:
        """The project."""
