"""Walks the statements of a function in the order in which they run."""

import ast
from collections.abc import Iterable

from colonnade.lint.inference import _evaluation as evaluation
from colonnade.lint.inference._flow import Flow, Inference, Read, State
from colonnade.lint.inference._name_inference import infer_annotation
from colonnade.lint.inference._paths import dotted_name, root_name
from colonnade.lint.inference._values import Kind, Value, merge_values
from colonnade.lint.project._project import Project


def infer(project: Project) -> Inference:
    """Start inference for a project; each function is walked when it is first needed."""
    return Inference(project, lambda flow: _Walker(flow).run())


class _Walker:
    """Walks one function or module and records what it learns in the flow."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._loop_exits: list[list[State]] = []  # the states at `break` and `continue`, by loop

    def run(self) -> None:
        """Walk the function or module."""
        if not isinstance(self._flow.node, ast.Module):
            evaluation.bind_parameters(self._flow, self._flow.node)
        end = self._walk_block(self._flow.node.body, self._flow.state)
        if end is not None:
            self._flow.state = end
        self._flow.done = True

    def _walk_block(self, body: Iterable[ast.stmt], state: State) -> State | None:
        """Walk statements and return the state after them; None if no branch reaches the end."""
        self._flow.state = state
        for statement in body:
            self._flow.state = state
            after = self._walk_statement(statement, state)
            if after is None:
                return None
            state = after
        return state

    def _walk_statement(self, node: ast.stmt, state: State) -> State | None:  # noqa: C901, PLR0912 - one case a statement
        match node:
            case ast.Expr(value=value):
                evaluation.evaluate(self._flow, value)
            case ast.Assign(targets=targets, value=value):
                inferred = evaluation.evaluate(self._flow, value)
                for target in targets:
                    evaluation.bind(self._flow, target, inferred, value)
            case ast.AnnAssign(target=target, value=value):
                inferred = evaluation.evaluate(self._flow, value) if value is not None else None
                if inferred is None:
                    inferred = infer_annotation(
                        self._flow.inference, self._flow.scope, node.annotation
                    )
                evaluation.bind(self._flow, target, inferred, value)
            case ast.AugAssign(target=target, value=value):
                evaluation.evaluate(self._flow, value)
                evaluation.evaluate(self._flow, target)
            case ast.Return(value=value):
                inferred = evaluation.evaluate(self._flow, value) if value is not None else None
                self._flow.returned.append(inferred)
                if value is not None:
                    self._read_returned_row(value)
                return None
            case ast.Raise():
                for exception in (node.exc, node.cause):
                    if exception is not None:
                        evaluation.evaluate(self._flow, exception)
                return None
            case ast.If():
                return self._walk_if(node, state)
            case ast.For() | ast.AsyncFor():
                return self._walk_for(node, state)
            case ast.While():
                evaluation.evaluate(self._flow, node.test)
                endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
                return self._walk_loop(node.body, node.orelse, state, endless=endless)
            case ast.With() | ast.AsyncWith():
                return self._walk_with(node, state)
            case ast.Try() | ast.TryStar():
                return self._walk_try(node, state)
            case ast.Match():
                return self._walk_match(node, state)
            case ast.Break():
                if self._loop_exits:
                    self._loop_exits[-1].append(state)
                return None
            case ast.Continue():
                if self._loop_exits:
                    self._loop_exits[-1].append(state)
                return None
            case ast.Delete(targets=targets):
                for target in targets:
                    evaluation.evaluate(self._flow, target)
            case ast.Assert():
                evaluation.evaluate(self._flow, node.test)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in (*node.decorator_list, *node.args.defaults):
                    evaluation.evaluate(self._flow, decorator)
                name = self._flow.scope.module.qualified_name(node)
                state.names[node.name] = Value(Kind.SYMBOL, name, node=node)
            case ast.Import() | ast.ImportFrom() if not isinstance(self._flow.node, ast.Module):
                evaluation.bind_imports(self._flow, node)
            case ast.ClassDef():
                if not isinstance(self._flow.node, ast.Module):
                    name = self._flow.scope.module.qualified_name(node)
                    state.names[node.name] = Value(Kind.SYMBOL, name, node=node)
        return state

    def _read_returned_row(self, value: ast.expr) -> None:
        """Record the read of a returned row, which the caller will use."""
        inferred = self._flow.value(value)
        name = root_name(value)
        if (
            inferred is not None
            and name in self._flow.state.expired
            and isinstance(value, ast.Name)
        ):
            row = inferred.item if inferred.kind is Kind.COLLECTION else inferred
            if row is not None and row.kind is Kind.ROW:
                self._flow.reads[value] = Read(value, row, "", self._flow.state.expired[name])

    def _walk_if(self, node: ast.If, state: State) -> State | None:
        evaluation.evaluate(self._flow, node.test)
        other = state.copy()
        absent = _name_tested_for_none(node.test)
        if absent:  # on this branch the name is None, not a row
            state.names.pop(absent, None)
        return _merge_states(
            [self._walk_block(node.body, state), self._walk_block(node.orelse, other)]
        )

    def _walk_for(self, node: ast.For | ast.AsyncFor, state: State) -> State | None:
        iterable = evaluation.evaluate(self._flow, node.iter)
        evaluation.bind_loop_variable(self._flow, node.target, iterable, node.iter)
        return self._walk_loop(node.body, node.orelse, state, before=node)

    def _walk_loop(
        self,
        body: list[ast.stmt],
        orelse: list[ast.stmt],
        state: State,
        *,
        endless: bool = False,
        before: ast.For | ast.AsyncFor | None = None,
    ) -> State | None:
        skipped = None if endless else state.copy()
        self._loop_exits.append([])
        once = self._walk_block(body, state.copy())
        again = _merge_states([state, once, *self._loop_exits[-1]])
        if again is not None:  # the second iteration starts with the state after the first
            if before is not None:
                self._flow.state = again
                inferred = self._flow.value(before.iter)
                evaluation.bind_loop_variable(self._flow, before.target, inferred, before.iter)
            again = self._walk_block(body, again.copy())
        after = _merge_states([skipped, again, *self._loop_exits.pop()])
        if before is not None and again is not None and after is not None:
            name = evaluation.loop_source(before.iter)
            if name not in again.expired:  # every item was refreshed
                after.expired.pop(name, None)
        if after is not None and orelse:
            after = self._walk_block(orelse, after)
        return after

    def _walk_with(self, node: ast.With | ast.AsyncWith, state: State) -> State | None:
        commits: list[tuple[ast.AST, str]] = []
        for item in node.items:
            inferred = evaluation.evaluate(self._flow, item.context_expr)
            entered = evaluation.infer_entered(
                self._flow.inference, inferred, is_async=isinstance(node, ast.AsyncWith)
            )
            if item.optional_vars is not None:
                evaluation.bind(self._flow, item.optional_vars, entered)
                if entered is not None:
                    self._flow.values[item.optional_vars] = entered
            if inferred is not None and inferred.kind is Kind.CONTEXT and inferred.source:
                bound = item.optional_vars
                source = dotted_name(bound) if bound is not None else inferred.source
                commits.append((item.context_expr, source))
        after = self._walk_block(node.body, state)
        if after is not None:
            self._flow.state = after
            for context_expression, source in commits:
                self._flow.commit(context_expression, source)
        return after

    def _walk_try(self, node: ast.Try | ast.TryStar, state: State) -> State | None:
        before = state.copy()
        tried = self._walk_block(node.body, state)
        handled: list[State | None] = []
        for handler in node.handlers:
            start = _merge_states([before.copy(), tried.copy() if tried else None]) or before.copy()
            handled.append(self._walk_block(handler.body, start))
        if tried is not None and node.orelse:
            tried = self._walk_block(node.orelse, tried)
        after = _merge_states([tried, *handled])
        if node.finalbody:
            ended = self._walk_block(node.finalbody, after.copy() if after else before)
            return ended if after is not None else None
        return after

    def _walk_match(self, node: ast.Match, state: State) -> State | None:
        evaluation.evaluate(self._flow, node.subject)
        branches: list[State | None] = [state.copy()]
        for case in node.cases:
            here = state.copy()
            self._flow.state = here
            for inner in ast.walk(case.pattern):
                name = getattr(inner, "name", None)
                if isinstance(name, str):
                    here.names[name] = None
            branches.append(self._walk_block(case.body, here))
        return _merge_states(branches)


def _merge_states(branches: Iterable[State | None]) -> State | None:
    """The state where branches meet."""
    states = [state for state in branches if state is not None]
    if not states:
        return None
    first, *others = states
    if not others:
        return first
    result = first.copy()
    for other in others:
        for name, inferred in other.names.items():
            result.names[name] = merge_values(result.names.get(name), inferred)
        result.expired.update(other.expired)
        result.loaded |= other.loaded
        result.loop_sources.update(other.loop_sources)
    return result


def _name_tested_for_none(test: ast.expr) -> str:
    """The name that is None in the body of ``if not x`` or ``if x is None``."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=name)):
            return name
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Is()], comparators=[ast.Constant(None)]):
            return name
        case _:
            return ""
