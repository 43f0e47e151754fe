"""The data flow of a function: the value of each expression, and the state at each point.

Statements are walked in the order in which they run: both branches of an ``if``, and the body of a
loop twice. The state has the value of each name and the rows that a commit has expired. Where
branches meet, a row counts as expired if it is expired on any of them, and a name keeps only what
is known on all of them.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project._modules import Function, Module
from colonnade.lint.project._project import ModuleScope, Project

FlowNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module


@dataclass
class State:
    """What is known at one point of a function.

    Attributes:
        names: The value of each name; dotted names such as ``self.session`` are included.
        expired: The names of expired rows, each with the commit that expired it.
        loaded: The relations that were assigned or refreshed: the row's name, the relation's name.
        loop_sources: For each loop variable, the name of what the loop iterates over.
    """

    names: dict[str, Value | None] = field(default_factory=dict)
    expired: dict[str, ast.AST] = field(default_factory=dict)
    loaded: set[tuple[str, str]] = field(default_factory=set)
    loop_sources: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "State":
        """A copy for another branch."""
        return State(
            dict(self.names), dict(self.expired), set(self.loaded), dict(self.loop_sources)
        )  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A read of a row that needs the database.

    Attributes:
        node: The expression: ``task.title``, or the name of a row that is read as a whole.
        row: The row.
        name: The attribute; empty for the whole row.
        expired: The commit that expired the row, if any.
        lazy: Whether the attribute is a relation that was not loaded.
    """

    node: ast.expr
    row: Value
    name: str
    expired: ast.AST | None = None
    lazy: bool = False


class Flow:
    """The data flow of a function or of a module's body.

    Attributes:
        inference: The inference that the flow belongs to.
        scope: The module.
        node: The function, or the module.
        outer: The flow of the enclosing function.
        values: The inferred value of each expression.
        reads: The reads of rows that are expired or not loaded.
        returned: The returned values.
        yielded: The yielded values.
        commits: Each commit, with the expression of its session.
        state: The state at the current point; at the end, the final state.
        done: Whether the walk has ended.
    """

    def __init__(
        self, inference: "Inference", scope: ModuleScope, node: FlowNode, outer: "Flow | None"
    ) -> None:
        self.inference = inference
        self.scope = scope
        self.node = node
        self.outer = outer
        self.values: dict[ast.AST, Value] = {}
        self.reads: dict[ast.expr, Read] = {}
        self.returned: list[Value | None] = []
        self.yielded: list[Value | None] = []
        self.commits: list[tuple[ast.AST, str]] = []
        self.state = State()
        self.done = False

    def value(self, node: ast.AST | None) -> Value | None:
        """The inferred value of an expression, or None if it is unknown."""
        return self.values.get(node) if node is not None else None

    def lookup(self, name: str) -> Value | None:
        """The value of a name in this function or an enclosing one."""
        flow: Flow | None = self
        while flow is not None:
            if name in flow.state.names:
                return flow.state.names[name]
            flow = flow.outer
        return None

    def forget(self, name: str) -> None:
        """Drop what is known about a name, which is about to be reassigned."""
        state = self.state
        state.expired.pop(name, None)
        state.loop_sources.pop(name, None)
        state.loaded = {relation for relation in state.loaded if relation[0] != name}
        for path in [known for known in state.names if known.startswith(f"{name}.")]:
            del state.names[path]

    def commit(self, node: ast.AST, source: str) -> None:
        """Record a commit, and expire the rows of its session."""
        self.commits.append((node, source))
        for name, inferred in self.state.names.items():
            row = (
                inferred.item
                if inferred is not None and inferred.kind is Kind.COLLECTION
                else inferred
            )
            if row is None or row.kind is not Kind.ROW or not row.attached:
                continue
            if row.name == "async" and row.expires and row.source == source:
                self.state.expired[name] = node


class Inference:
    """Infers the values in a project, one function or module at a time.

    Attributes:
        project: The project.
        flows: The flow of each function and module walked so far.
        dependency_values: The value of each dependency, by its qualified name.
    """

    def __init__(self, project: Project, walk: Callable[[Flow], None]) -> None:
        self.project = project
        self.flows: dict[ast.AST, Flow] = {}
        self.dependency_values: dict[str, Value | None] = {}
        self._walk = walk

    def flow(self, node: FlowNode, module: Module) -> Flow | None:
        """The flow of a function or module; None while it is being walked."""
        known = self.flows.get(node)
        if known is not None:
            return known if known.done else None
        outer = module.enclosing_function(node)
        outer_flow = self.flows.get(outer) if outer is not None else None
        if outer is not None and outer_flow is None:
            outer_flow = self.flow(outer, module)
        flow = Flow(self, ModuleScope(self.project, module), node, outer_flow)
        self.flows[node] = flow
        self._walk(flow)
        return flow

    def committed_parameters(self, function: Function, module: Module) -> frozenset[str]:
        """The parameters whose session a function commits, directly or through its callees."""
        flow = self.flow(function, module)
        if flow is None:
            return frozenset()
        names = {parameter.arg for parameter in (*function.args.args, *function.args.kwonlyargs)}
        return frozenset(source for _, source in flow.commits if source in names)
