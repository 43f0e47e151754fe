"""The scope of a table, and the signs that an endpoint takes care of it or need not."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from colonnade.lint._context import Context, Endpoint
from colonnade.lint.inference._name_inference import infer_dependency
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._models import Model
from colonnade.lint.project._module_summary import Inclusion
from colonnade.lint.project._modules import FUNCTIONS, Function, parameters
from colonnade.lint.project._project import ModuleScope
from colonnade.lint.rules._dependencies import (
    dependency_parameters,
    listed_dependencies,
    with_indirect,
)

SCOPED_MEMBERS = frozenset({"reachable", "writable", "query", "scopes"})
"""The members of a Resource that apply its scope."""

REQUESTS = frozenset(
    {"fastapi.Request", "starlette.requests.Request", "fastapi.requests.Request"}
)  # fmt: skip
UNSCOPED_WORDS = frozenset(
    {"admin", "auth", "health", "internal", "invitation", "invite", "login", "logout", "password",
     "public", "refresh", "register", "registration", "signin", "signup", "staff", "superuser",
     "token", "verify", "webhook", "webhooks"}
)  # fmt: skip
"""Words in the name or the path of an endpoint that has all rows in view, or no user yet."""


@dataclass(frozen=True)
class TableScope:
    """The scope that a Resource declares for a table.

    Attributes:
        name: The qualified name of the dependency.
        dependencies: The dependency, with all that it depends on.
        words: The fields of the table that it names, and the functions of the project that it
            calls. An endpoint with one of them probably applies the same condition by hand.
    """

    name: str
    dependencies: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, context: Context, model: Model) -> "TableScope | None":
        """The scope of a table; None if it has none, or if it cannot be read."""
        name = context.project.names.scopes.get(model.name, "")
        definition = context.project.function(name) if name else None
        if definition is None:
            return None
        scope = ModuleScope(context.project, definition[1])
        words = frozenset(_words(definition[0], scope, model))
        return cls(name, with_indirect(context.project, [name]), words) if words else None


def _words(function: ast.AST, scope: ModuleScope, model: Model) -> Iterator[str]:
    for node in ast.walk(function):
        match node:
            case ast.Attribute(attr=name) | ast.Constant(value=str(name)) | ast.keyword(arg=name):
                if name in model.members:
                    yield name
            case ast.Call(func=ast.Name(id=name) as called):
                if scope.project.called_function(scope.resolve(called)) is not None:
                    yield name


def _assigned_call(function: Function, name: str) -> ast.Call | None:
    """The call whose result a function assigns to a name."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call):
                if target == name:
                    return call
    return None


class EndpointAccess:
    """What an endpoint does about the rows that its user may access.

    Args:
        context: The module.
        endpoint: The endpoint.
    """

    def __init__(self, context: Context, endpoint: Endpoint) -> None:
        self._context = context
        self._endpoint = endpoint
        self._function = endpoint.node
        self._parameters = list(dependency_parameters(endpoint.node, context.scope))

    def is_restricted(self, scope: TableScope) -> bool:
        """Whether the endpoint restricts the rows or its users, as far as can be seen.

        It depends on the scope, names what the scope names, looks at the user, has guards or
        conditions that are not known, or is one for all rows.
        """
        dependencies = self._dependencies
        return (
            scope.name in dependencies
            or any(name.rpartition(".")[2] in SCOPED_MEMBERS for name in dependencies)
            or self._is_for_all_rows
            or self._mentions(scope.words)
            or self._uses_requester(scope)
            or any(self._is_guard(name) for name in dependencies - scope.dependencies)
        )

    @property
    def _router_node(self) -> ast.expr:
        node = self._endpoint.route.func
        return node.value if isinstance(node, ast.Attribute) else node

    @cached_property
    def _inclusions(self) -> list[Inclusion]:
        return self._context.project.names.inclusions_of(self._context.resolve(self._router_node))

    @cached_property
    def _router(self) -> tuple[ast.Call, ModuleScope] | None:
        """The call that creates the router of the endpoint; None if it is not known."""
        router = self._router_node
        for function in self._context.module.ancestors(self._function):
            if isinstance(function, FUNCTIONS) and isinstance(router, ast.Name):
                if router.id in {parameter.arg for parameter, _ in parameters(function)}:
                    return None
                created = _assigned_call(function, router.id)
                if created is not None:
                    return created, self._context.scope
        definition = self._context.project.definition(self._context.resolve(router))
        if definition is None:
            return None
        created = getattr(definition[0], "value", None)
        scope = ModuleScope(self._context.project, definition[1])
        return (created, scope) if isinstance(created, ast.Call) else None

    def _router_option(self, name: str) -> ast.expr | None:
        keywords = self._router[0].keywords if self._router is not None else []
        return next((keyword.value for keyword in keywords if keyword.arg == name), None)

    @cached_property
    def _dependencies(self) -> frozenset[str]:
        names = [name for _, name in self._parameters]
        names += listed_dependencies(self._endpoint.option("dependencies"), self._context.scope)
        if self._router is not None:
            names += listed_dependencies(self._router_option("dependencies"), self._router[1])
        for *_, dependencies in self._inclusions:
            names += dependencies
        return with_indirect(self._context.project, names)

    @cached_property
    def _is_for_all_rows(self) -> bool:
        """Whether the router is unknown or opts out, or a name says that the users are others."""
        if self._router is None:
            return True
        scope = self._router_option("scope")
        if scope is not None and self._router[1].resolve(scope) == lib.UNSCOPED:
            return True
        paths = [*self._endpoint.route.args[:1], self._router_option("prefix")]
        texts = [path.value for path in paths if isinstance(path, ast.Constant)]
        texts += [prefix for _, _, prefix, _ in self._inclusions]
        texts += [self._function.name, self._context.module.name]
        words = re.findall("[a-z]+", " ".join(map(str, texts)).lower())
        return not UNSCOPED_WORDS.isdisjoint(words)

    def _mentions(self, words: frozenset[str]) -> bool:
        for statement in self._function.body:
            for node in ast.walk(statement):
                match node:
                    case (
                        ast.Attribute(attr=name)
                        | ast.Name(id=name)
                        | ast.keyword(arg=str(name))
                        | ast.Constant(value=str(name))
                    ):
                        if name in words:
                            return True
        return False

    def _uses_requester(self, scope: TableScope) -> bool:
        """Whether the body uses the request, or a dependency that the scope has as well."""
        names = {name for name, dependency in self._parameters if dependency in scope.dependencies}
        arguments = self._function.args
        names |= {
            parameter.arg
            for parameter in (*arguments.args, *arguments.kwonlyargs)
            if self._context.hint(parameter.annotation).name in REQUESTS
        }
        return any(
            isinstance(node, ast.Name) and node.id in names
            for statement in self._function.body
            for node in ast.walk(statement)
        )

    def _is_guard(self, name: str) -> bool:
        """Whether a dependency may refuse the request, or cannot be read."""
        if not name:
            return True
        provided = infer_dependency(self._context.inference, name)
        if provided is not None and provided.is_instance(lib.SESSIONS):
            return False
        definition = self._context.project.function(name)
        if definition is None:
            return name not in self._context.project.names.bases
        return any(isinstance(node, ast.Raise) for node in ast.walk(definition[0]))
