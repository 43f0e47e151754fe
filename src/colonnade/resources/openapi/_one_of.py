"""Rows, bodies and parameters that depend on the chosen schemas, in the OpenAPI document."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

from colonnade.resources.openapi._documented_as import DocumentedAs, Refs

Parameter = dict[str, Any]
Names = tuple[str, ...]


class OneOf(DocumentedAs):
    """The same rows or body with each of several schemas, in the order of their declaration.

    Args:
        parts: The rows or bodies.
    """

    def __init__(self, parts: Sequence[DocumentedAs]) -> None:
        self._parts = parts

    def types(self) -> list[Any]:
        return [kind for part in self._parts for kind in part.types()]

    def references(self, handler: GetJsonSchemaHandler) -> Refs:
        return {}  # each part has those of its types

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        examples: list[Any] = []
        branches: list[JsonSchemaValue] = []
        for part in self._parts:
            branch = dict(part.document(part.references(handler), handler))
            for example in branch.pop("examples", ()):
                if example not in examples:
                    examples.append(example)
            if branch not in branches:
                branches.append(branch)
        whole = one_of(branches)
        return {**whole, "examples": examples} if examples else whole


def one_of(branches: Sequence[JsonSchemaValue]) -> JsonSchemaValue:
    """Return the schema of values that have one of several schemas.

    A schema with fewer fields may accept the values of another. ``oneOf`` accepts a value of
    exactly one branch, so that each branch leaves out what an earlier one accepts.
    """
    if len(branches) == 1:
        return branches[0]
    exclusive = [
        branch if index == 0 else {**branch, "not": _any_of(branches[:index])}
        for index, branch in enumerate(branches)
    ]
    return {"oneOf": exclusive}


def _any_of(branches: Sequence[JsonSchemaValue]) -> JsonSchemaValue:
    return branches[0] if len(branches) == 1 else {"anyOf": list(branches)}


def one_of_annotations(annotations: Sequence[Any]) -> Any:
    """Return the annotation of a response or a body that has one of several annotations."""
    first = annotations[0]
    if all(annotation is first for annotation in annotations):
        return first
    parts: dict[object, DocumentedAs] = {}
    for part in map(_documentation, annotations):
        parts.setdefault(part.identity, part)
    return Annotated[Any, OneOf(list(parts.values()))]


def _documentation(annotation: Any) -> DocumentedAs:
    parts = (part for part in get_args(annotation)[1:] if isinstance(part, DocumentedAs))
    return next(parts, _Model(annotation))


class _Model(DocumentedAs):
    """A model that documents itself."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def identity(self) -> object:
        return self._model

    def types(self) -> list[Any]:
        return [self._model]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return refs[self._model]


def merged_parameters(by_schemas: Sequence[tuple[Names, list[Parameter]]]) -> list[Parameter]:
    """Merge the parameters of a route that has different ones for different schemas.

    Args:
        by_schemas: The names of the chosen schemas, in the same order each, and the parameters
            that requests with them have.
    """
    alternatives: dict[tuple[str, str], dict[Names, Parameter]] = {}
    for names, parameters in by_schemas:
        for parameter in parameters:
            key = parameter["in"], parameter["name"]
            alternatives.setdefault(key, {})[names] = parameter
    return [_merged(forms, [names for names, _ in by_schemas]) for forms in alternatives.values()]


def _merged(forms: Mapping[Names, Parameter], all_names: Sequence[Names]) -> Parameter:
    distinct: list[JsonSchemaValue] = []
    for form in forms.values():
        if form["schema"] not in distinct:
            distinct.append(form["schema"])
    merged = dict(next(iter(forms.values())))
    if len(distinct) > 1:
        merged["schema"] = {"anyOf": distinct}
    others = [names for names in all_names if names not in forms]
    if others:
        described = merged.get("description")
        only = f"Only with {_deciding(list(forms), others)}"
        merged["description"] = f"{described}. {only}" if described else only
    return merged


def _deciding(having: Sequence[Names], others: Sequence[Names]) -> str:
    """The names of the schemas that decide whether a request has a parameter."""
    for position in range(len(having[0])):
        names = dict.fromkeys(combination[position] for combination in having)
        if names.keys().isdisjoint(combination[position] for combination in others):
            return " or ".join(names)
    return " or ".join(" and ".join(combination) for combination in having)
