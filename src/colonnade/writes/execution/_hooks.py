"""Hooks: functions that run before and after a write, in its transaction, or after its commit."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.errors import ModelError
from colonnade.writes._changes import WriteKind

logger = logging.getLogger("colonnade.resources")

Moment = Literal["before", "after", "committed"]
HookT = TypeVar("HookT", bound=Callable[..., Any])
T = TypeVar("T")
RunStatements = Callable[[Callable[[Connection], Any]], Awaitable[Any]]

ARGUMENTS: dict[tuple[Moment, WriteKind], tuple[str, ...]] = {
    ("before", "create"): ("session", "values", "body"),
    ("before", "update"): ("session", "values", "key", "row", "body"),
    ("before", "delete"): ("session", "key", "row"),
    ("after", "create"): ("session", "row", "key", "values", "body"),
    ("after", "update"): ("session", "row", "key", "values", "body"),
    ("after", "delete"): ("session", "key"),
    ("committed", "create"): ("row", "key", "body"),
    ("committed", "update"): ("row", "key", "body"),
    ("committed", "delete"): ("key",),
}
"""What a hook may ask for by name. The first two also fill parameters with other names."""


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """A hook, and what it asks for.

    Attributes:
        function: The function.
        arguments: What the pipeline passes, by the name of the parameter.
        other_parameters: The parameters that FastAPI provides, as those of an endpoint.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, str]
    other_parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, function: Callable[..., Any], moment: Moment, kind: WriteKind) -> "Hook":
        """Read what a hook asks for from its signature.

        Raises:
            ModelError: The hook asks for something that does not exist at its moment.
        """
        available = ARGUMENTS[moment, kind]
        arguments: dict[str, str] = {}
        others: list[Parameter] = []
        for index, parameter in enumerate(_parameters(function)):
            name = parameter.name
            if name in available:
                arguments[name] = name
            elif name in _ALL_ARGUMENTS:
                raise ModelError(
                    f"The hook {_name_of(function)} asks for {name}, which does not exist "
                    f"{_WHEN[moment]} {kind}. It may ask for {', '.join(available)}, and for "
                    f"parameters of an endpoint."
                )
            elif index < len(available[:2]) and _is_bare(parameter):
                arguments[name] = available[index]
            else:
                others.append(parameter)
        return cls(function, arguments, tuple(others))

    def asks_for(self, argument: str) -> bool:
        """Whether the hook has a parameter for an argument of the pipeline."""
        return argument in self.arguments.values()

    async def __call__(
        self, session: AsyncSession | None, values: Mapping[str, Any], provided: Mapping[str, Any]
    ) -> None:
        """Call the function.

        Args:
            session: The session of the transaction; None after the commit.
            values: The values of the arguments of the pipeline, by their names there.
            provided: The values of the other parameters, by parameter.
        """
        arguments = {name: values.get(source) for name, source in self.arguments.items()}
        session_names = [name for name, source in self.arguments.items() if source == "session"]
        if _is_async(self.function) or session is None:
            arguments |= dict.fromkeys(session_names, session)
            returned = self.function(**arguments, **provided)
        else:

            def call(sync_session: Any) -> Any:
                sessions = dict.fromkeys(session_names, sync_session)
                return self.function(**{**arguments, **sessions}, **provided)

            returned = await session.run_sync(call)
        if isinstance(returned, Awaitable):
            await returned


Provided = Mapping[Hook, Mapping[str, Any]]
"""The values of the parameters that FastAPI provides, by hook and parameter."""


class Hooks:
    """The hooks of one Resource.

    A hook names what it needs: ``session``, ``values`` (by field, which it may change), ``key``,
    ``row`` and ``body``, as far as they exist at its moment, and any parameter of an endpoint. A
    sync hook receives a ``Session``, an async hook an ``AsyncSession``. An exception before the
    commit rolls the write back.

    Attributes:
        kinds: The kinds of writes that have hooks.
    """

    def __init__(self) -> None:
        self._hooks: dict[tuple[Moment, WriteKind], list[Hook]] = {}
        self.kinds: set[WriteKind] = set()

    def add(self, moment: Moment, kind: WriteKind, function: Callable[..., Any]) -> None:
        """Register a hook; hooks run in the order of registration.

        Raises:
            ModelError: The hook asks for something that does not exist at its moment.
        """
        self._hooks.setdefault((moment, kind), []).append(Hook.of(function, moment, kind))
        self.kinds.add(kind)

    def at(self, moment: Moment, kind: WriteKind) -> list[Hook]:
        """The hooks of a moment."""
        return self._hooks.get((moment, kind), [])

    def waiting(self, kinds: Iterable[WriteKind]) -> bool:
        """Whether a hook runs after the commit of writes of these kinds."""
        return any(self.at("committed", kind) for kind in kinds)

    def of_kinds(self, kinds: tuple[str, ...]) -> list[Hook]:
        """All hooks of some kinds of writes."""
        return [hook for (_, kind), hooks in self._hooks.items() if kind in kinds for hook in hooks]

    async def run(
        self,
        moment: Moment,
        kind: WriteKind,
        session: AsyncSession,
        values: Mapping[str, Any],
        provided: Provided,
    ) -> None:
        """Call the hooks of a moment one after another."""
        for hook in self.at(moment, kind):
            await hook(session, values, provided_to(hook, provided))

    async def run_committed(
        self, kind: WriteKind, values: Mapping[str, Any], provided: Provided
    ) -> None:
        """Call the hooks after the commit; a failure is logged, and changes nothing."""
        for hook in self.at("committed", kind):
            try:
                await hook(None, values, provided_to(hook, provided))
            except Exception:
                logger.exception(
                    "The hook %s failed after the %s of the row with the key %s",
                    _name_of(hook.function), kind, values.get("key"),
                )  # fmt: skip


def provided_to(hook: Hook, provided: Provided) -> Mapping[str, Any]:
    """The values of a hook's parameters that FastAPI provides.

    Raises:
        ModelError: The routes were built before the hook was registered.
    """
    if hook.other_parameters and hook not in provided:
        raise ModelError(
            f"The hook {_name_of(hook.function)} has parameters of an endpoint. Register it before "
            "the app includes the Resource."
        )
    return provided.get(hook, {})


_ALL_ARGUMENTS = frozenset(name for names in ARGUMENTS.values() for name in names)
_WHEN = {"before": "before a", "after": "after a", "committed": "after the commit of a"}


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    try:
        return list(signature(function, eval_str=True).parameters.values())
    except NameError:  # an annotation that only type checkers see
        return list(signature(function).parameters.values())


def _is_bare(parameter: Parameter) -> bool:
    """Whether a parameter is positional, and nothing in it is for FastAPI."""
    annotation = parameter.annotation
    is_for_fastapi = hasattr(annotation, "__metadata__") or getattr(
        annotation, "__module__", ""
    ).startswith(("fastapi.", "starlette."))
    return (
        parameter.default is Parameter.empty
        and parameter.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
        and not is_for_fastapi
    )


def _is_async(function: Callable[..., Any]) -> bool:
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
