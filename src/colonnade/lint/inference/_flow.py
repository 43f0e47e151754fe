"""How a function runs: what each expression in it holds, and what happened before.

The statements are walked as they would run, both ways of an ``if`` and twice through a loop, with
what each name holds and which rows a commit has expired. Where ways meet, a row counts as expired
if it is on any of them, and a name holds what it holds on both.
"""

import ast
from collections.abc import Iterable

from colonnade.lint.inference import _evaluation as evaluation
from colonnade.lint.inference import _name_inference as giving
from colonnade.lint.inference._expressions import dotted, iterated, root
from colonnade.lint.inference._state import FlowScope, FlowView, Read, State
from colonnade.lint.inference._values import Kind, Value, joined

Runs = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module


class Flow:
    """A function, or a module's own statements, walked once.

    Attributes:
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

    def __init__(self, place: FlowScope, node: Runs, outer: FlowView | None) -> None:
        self.place = place
        self.node = node
        self.outer = outer
        self.values: dict[ast.AST, Value] = {}
        self.reads: dict[ast.expr, Read] = {}
        self.returned: list[Value | None] = []
        self.yielded: list[Value | None] = []
        self.commits: list[tuple[ast.AST, str]] = []
        self.state = State()
        self.done = False
        self._left: list[list[State]] = []  # what loops are left with, by `break`

    def run(self) -> None:
        """Walk it."""
        if not isinstance(self.node, ast.Module):
            evaluation.bind_parameters(self, self.node)
        end = self._block(self.node.body, self.state)
        if end is not None:
            self.state = end
        self.done = True

    def value(self, node: ast.AST | None) -> Value | None:
        """What an expression holds."""
        return self.values.get(node) if node is not None else None

    def lookup(self, name: str) -> Value | None:
        """What a name holds here, or in the functions around."""
        flow: FlowView | None = self
        while flow is not None:
            if name in flow.state.names:
                return flow.state.names[name]
            flow = flow.outer
        return None

    def _block(self, body: Iterable[ast.stmt], state: State) -> State | None:
        """Walk statements; None when none of the ways reaches their end."""
        self.state = state
        for statement in body:
            self.state = state
            after = self._statement(statement, state)
            if after is None:
                return None
            state = after
        return state

    def _statement(self, node: ast.stmt, state: State) -> State | None:  # noqa: C901, PLR0912 - one case a statement
        match node:
            case ast.Expr(value=value):
                evaluation.evaluate(self, value)
            case ast.Assign(targets=targets, value=value):
                held = evaluation.evaluate(self, value)
                for target in targets:
                    self.bind(target, held, value)
            case ast.AnnAssign(target=target, value=value):
                held = evaluation.evaluate(self, value) if value is not None else None
                if held is None:
                    held = giving.of_hint(self.place, node.annotation)
                self.bind(target, held, value)
            case ast.AugAssign(target=target, value=value):
                evaluation.evaluate(self, value)
                evaluation.evaluate(self, target)
            case ast.Return(value=value):
                held = evaluation.evaluate(self, value) if value is not None else None
                self.returned.append(held)
                if value is not None:
                    self._read_whole(value)
                return None
            case ast.Raise():
                for expression in (node.exc, node.cause):
                    if expression is not None:
                        evaluation.evaluate(self, expression)
                return None
            case ast.If():
                return self._if(node, state)
            case ast.For() | ast.AsyncFor():
                return self._for(node, state)
            case ast.While():
                evaluation.evaluate(self, node.test)
                endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
                return self._loop(node.body, node.orelse, state, endless=endless)
            case ast.With() | ast.AsyncWith():
                return self._with(node, state)
            case ast.Try() | ast.TryStar():
                return self._try(node, state)
            case ast.Match():
                return self._match(node, state)
            case ast.Break():
                if self._left:
                    self._left[-1].append(state)
                return None
            case ast.Continue():
                if self._left:
                    self._left[-1].append(state)
                return None
            case ast.Delete(targets=targets):
                for target in targets:
                    evaluation.evaluate(self, target)
            case ast.Assert():
                evaluation.evaluate(self, node.test)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in (*node.decorator_list, *node.args.defaults):
                    evaluation.evaluate(self, decorator)
                name = self.place.module.qualified(node)
                state.names[node.name] = Value(Kind.SYMBOL, name, node=node)
            case ast.Import() | ast.ImportFrom() if not isinstance(self.node, ast.Module):
                evaluation.bind_imports(self, node)
            case ast.ClassDef():
                if not isinstance(self.node, ast.Module):
                    name = self.place.module.qualified(node)
                    state.names[node.name] = Value(Kind.SYMBOL, name, node=node)
        return state

    def bind(self, target: ast.expr, held: Value | None, value: ast.expr | None = None) -> None:
        """Give a target what it holds from here on."""
        state = self.state
        match target:
            case ast.Name(id=name):
                since = state.expired.get(root(value)) if value is not None else None
                self._forget(name)
                state.names[name] = held
                if since is not None and held is not None and held.kind in (Kind.ROW, Kind.MANY):
                    state.expired[name] = since
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self.bind(element, None)
            case ast.Starred(value=inner):
                self.bind(inner, None)
            case ast.Attribute():
                evaluation.evaluate(self, target.value)
                path = dotted(target)
                if path:
                    state.names[path] = held
                    state.loaded.add((path.rpartition(".")[0], target.attr))
            case ast.Subscript():
                evaluation.evaluate(self, target)

    def _forget(self, name: str) -> None:
        """What was known of a name is of what it held before."""
        state = self.state
        state.expired.pop(name, None)
        state.within.pop(name, None)
        state.loaded = {path for path in state.loaded if path[0] != name}
        for path in [known_name for known_name in state.names if known_name.startswith(f"{name}.")]:
            del state.names[path]

    def _read_whole(self, value: ast.expr) -> None:
        """A row that is returned is read by whoever gets it."""
        held = self.value(value)
        name = root(value)
        if held is not None and name in self.state.expired and isinstance(value, ast.Name):
            row = held.item if held.kind is Kind.MANY else held
            if row is not None and row.kind is Kind.ROW:
                self.reads[value] = Read(value, row, "", self.state.expired[name])

    def _if(self, node: ast.If, state: State) -> State | None:
        evaluation.evaluate(self, node.test)
        other = state.copy()
        absent = _none_tested(node.test)
        if absent:  # `if task is None:` - it is none, on this way
            state.names.pop(absent, None)
        return _met([self._block(node.body, state), self._block(node.orelse, other)])

    def _for(self, node: ast.For | ast.AsyncFor, state: State) -> State | None:
        over = evaluation.evaluate(self, node.iter)
        self.loop_variable(node.target, over, node.iter)
        return self._loop(node.body, node.orelse, state, before=node)

    def loop_variable(self, target: ast.expr, over: Value | None, source: ast.expr) -> None:
        item = iterated(over)
        name = _source_name(source)
        self.state.names.setdefault(name, over)  # what has no name expires like what has one
        self.bind(target, item)
        if isinstance(target, ast.Name):
            self.state.within[target.id] = name
            if name in self.state.expired and item is not None and item.kind is Kind.ROW:
                self.state.expired[target.id] = self.state.expired[name]

    def _loop(
        self,
        body: list[ast.stmt],
        orelse: list[ast.stmt],
        state: State,
        *,
        endless: bool = False,
        before: ast.For | ast.AsyncFor | None = None,
    ) -> State | None:
        skipped = None if endless else state.copy()
        self._left.append([])
        once = self._block(body, state.copy())
        again = _met([state, once, *self._left[-1]])
        if again is not None:  # what the first time leaves, the second begins with
            if before is not None:
                self.state = again
                held = self.value(before.iter)
                self.loop_variable(before.target, held, before.iter)
            again = self._block(body, again.copy())
        after = _met([skipped, again, *self._left.pop()])
        if before is not None and again is not None and after is not None:
            name = _source_name(before.iter)
            if name not in again.expired:  # each was refreshed; and if there was none, none is read
                after.expired.pop(name, None)
        if after is not None and orelse:
            after = self._block(orelse, after)
        return after

    def _with(self, node: ast.With | ast.AsyncWith, state: State) -> State | None:
        commits: list[tuple[ast.AST, str]] = []
        for item in node.items:
            held = evaluation.evaluate(self, item.context_expr)
            entered = giving.entered(self.place, held, is_async=isinstance(node, ast.AsyncWith))
            if item.optional_vars is not None:
                self.bind(item.optional_vars, entered)
                if entered is not None:
                    self.values[item.optional_vars] = entered
            if held is not None and held.kind is Kind.CONTEXT and held.source:
                bound = item.optional_vars
                source = dotted(bound) if bound is not None else held.source
                commits.append((item.context_expr, source))
        after = self._block(node.body, state)
        if after is not None:
            self.state = after
            for session, source in commits:
                self.commit(session, source)
        return after

    def _try(self, node: ast.Try | ast.TryStar, state: State) -> State | None:
        before = state.copy()
        tried = self._block(node.body, state)
        handled: list[State | None] = []
        for handler in node.handlers:
            start = _met([before.copy(), tried.copy() if tried else None]) or before.copy()
            handled.append(self._block(handler.body, start))
        if tried is not None and node.orelse:
            tried = self._block(node.orelse, tried)
        after = _met([tried, *handled])
        if node.finalbody:
            ended = self._block(node.finalbody, after.copy() if after else before)
            return ended if after is not None else None
        return after

    def _match(self, node: ast.Match, state: State) -> State | None:
        evaluation.evaluate(self, node.subject)
        ways: list[State | None] = [state.copy()]
        for case in node.cases:
            here = state.copy()
            self.state = here
            for inner in ast.walk(case.pattern):
                name = getattr(inner, "name", None)
                if isinstance(name, str):
                    here.names[name] = None
            ways.append(self._block(case.body, here))
        return _met(ways)

    def commit(self, node: ast.AST, source: str) -> None:
        """A session commits: its rows expire, if they do."""
        self.commits.append((node, source))
        for name, held in self.state.names.items():
            row = held.item if held is not None and held.kind is Kind.MANY else held
            if row is None or row.kind is not Kind.ROW or not row.attached:
                continue
            if row.name == "async" and row.expires and row.source == source:
                self.state.expired[name] = node


def _source_name(source: ast.expr) -> str:
    """The name of what a loop is over, which is made up for a call."""
    return root(source) or f"<line {source.lineno}, {source.col_offset}>"


def _met(ways: Iterable[State | None]) -> State | None:
    """What is known where ways meet."""
    states = [way for way in ways if way is not None]
    if not states:
        return None
    first, *others = states
    if not others:
        return first
    result = first.copy()
    for other in others:
        for name, held in other.names.items():
            mine = result.names.get(name)
            result.names[name] = joined(mine, held)
        result.expired.update(other.expired)
        result.loaded |= other.loaded
        result.within.update(other.within)
    return result


def _none_tested(test: ast.expr) -> str:
    """The name that ``if not x`` or ``if x is None`` finds to be nothing."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=name)):
            return name
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Is()], comparators=[ast.Constant(None)]):
            return name
        case _:
            return ""
