"""How a function runs: what each expression in it holds, and what happened before.

The statements are walked as they would run, both ways of an ``if`` and twice through a loop, with
what each name holds and which rows a commit has expired. Where ways meet, a row counts as expired
if it is on any of them, and a name holds what it holds on both.
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
    loop_sources: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "State":
        """The same, to go another way."""
        return State(
            dict(self.names), dict(self.expired), set(self.loaded), dict(self.loop_sources)
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


class Flow:
    """A function, or a module's own statements, walked once.

    Attributes:
        inference: The inference that it is part of.
        place: The module it stands in.
        node: The function, or the module.
        outer: The function around it.
        values: What each expression holds.
        reads: The reads of rows that are expired or not loaded.
        returned: What it returns.
        yielded: What it yields.
        commits: Each commit, and the expression of the session.
        state: What is known at the point that is walked; in the end, at the end.
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
        """What an expression holds."""
        return self.values.get(node) if node is not None else None

    def lookup(self, name: str) -> Value | None:
        """What a name holds here, or in the functions around."""
        flow: Flow | None = self
        while flow is not None:
            if name in flow.state.names:
                return flow.state.names[name]
            flow = flow.outer
        return None

    def forget(self, name: str) -> None:
        """What was known of a name is of what it held before."""
        state = self.state
        state.expired.pop(name, None)
        state.loop_sources.pop(name, None)
        state.loaded = {relation for relation in state.loaded if relation[0] != name}
        for path in [known for known in state.names if known.startswith(f"{name}.")]:
            del state.names[path]

    def commit(self, node: ast.AST, source: str) -> None:
        """A session commits: its rows expire, if they do."""
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
        flows: The functions and modules that were walked.
        dependency_values: What each dependency provides, by its qualified name.
    """

    def __init__(self, project: Project, walk: Callable[[Flow], None]) -> None:
        self.project = project
        self.flows: dict[ast.AST, Flow] = {}
        self.dependency_values: dict[str, Value | None] = {}
        self._walk = walk

    def flow(self, node: FlowNode, module: Module) -> Flow | None:
        """How a function or a module runs; None while that is being found out."""
        known = self.flows.get(node)
        if known is not None:
            return known if known.done else None
        outer = module.enclosing_function(node)
        around = self.flows.get(outer) if outer is not None else None
        if outer is not None and around is None:
            around = self.flow(outer, module)
        flow = Flow(self, ModuleScope(self.project, module), node, around)
        self.flows[node] = flow
        self._walk(flow)
        return flow

    def committed_parameters(self, function: Function, module: Module) -> frozenset[str]:
        """The parameters that a function commits, itself or by what it calls."""
        flow = self.flow(function, module)
        if flow is None:
            return frozenset()
        names = {parameter.arg for parameter in (*function.args.args, *function.args.kwonlyargs)}
        return frozenset(source for _, source in flow.commits if source in names)
