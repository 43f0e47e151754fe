"""Inheritance of relations, and of the type arguments of generic classes."""

from collections.abc import Mapping
from copy import copy
from typing import Any, TypeVar

from sqlmodel.main import RelationshipInfo

from colonnade.errors import ModelError


def refuse_table_inheritance(name: str, bases: tuple[type[Any], ...]) -> None:
    """Refuse a table that inherits from another table.

    Raises:
        ModelError: A base is a table.
    """
    for base in bases:
        if getattr(base, "model_config", {}).get("table"):
            raise ModelError(
                f"{name} inherits from the table {base.__name__}, and inheritance between tables "
                f"(single-table and joined) is not supported. Move the shared fields to a base "
                f"without table=True that both classes inherit from, or give {name} a foreign key "
                f"to {base.__name__} and a Relationship()."
            )


def set_relations_aside(cls: Any) -> None:
    """Set a base's relations aside, since Pydantic would make fields of them in subclasses."""
    relations = cls.__dict__.get("__sqlmodel_relationships__", {})
    annotations = dict(cls.__annotations__) if relations else {}
    if relations:
        cls.__colonnade_relations__ = {
            name: (annotations.pop(name), relation) for name, relation in relations.items()
        }
        cls.__annotations__ = annotations


def with_inherited_relations(
    name: str, bases: tuple[type[Any], ...], body: Mapping[str, Any]
) -> dict[str, Any]:
    """The class body of a table, with copies of the relations that its bases declare.

    In the texts of ``sa_relationship_kwargs``, ``{cls}`` stands for the table's class. With it, a
    base with two foreign keys to one table can specify which of them a relation uses.

    Raises:
        ModelError: A base declares a relation that only one table can have.
    """
    annotations = dict(body.get("__annotations__", {}))
    relations: dict[str, RelationshipInfo] = {}
    classes = dict.fromkeys(cls for base in bases for cls in base.__mro__)
    for cls in classes:
        declared = vars(cls).get("__colonnade_relations__", {})
        for key, (annotation, relation) in declared.items():
            if key not in body and key not in annotations:
                relations[key] = _copied_relation(f"{cls.__name__}.{key}", name, relation)
                annotations[key] = annotation
    if not relations:
        return dict(body)
    return {**body, **relations, "__annotations__": annotations}


def _copied_relation(field_path: str, name: str, relation: RelationshipInfo) -> RelationshipInfo:
    if relation.sa_relationship is not None:
        raise ModelError(
            f"{field_path}: an sa_relationship belongs to one table, and {name} inherits this one. "
            f"Use Relationship(sa_relationship_kwargs={{...}}) instead."
        )
    copied = copy(relation)
    copied.sa_relationship_kwargs = {
        key: value.replace("{cls}", name) if isinstance(value, str) else value
        for key, value in (relation.sa_relationship_kwargs or {}).items()
    }
    return copied


def parametrized_namespace(generic: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a parametrized class such as ``Keyed[UUID]``, with the type arguments.

    Args:
        generic: Pydantic's metadata of the class: its ``origin`` and ``args``.
    """
    origin = generic["origin"]
    parameters = origin.__pydantic_generic_metadata__["parameters"]
    types = dict(zip(parameters, generic["args"], strict=True))
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {"__annotations__": annotations}
    for name, field in origin.model_fields.items():
        annotation = _substitute(field.annotation, types)
        if annotation is not field.annotation:
            annotations[name], body[name] = annotation, copy(field)
    return body


def _substitute(annotation: Any, types: Mapping[TypeVar, Any]) -> Any:
    if isinstance(annotation, TypeVar):
        return types.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if not any(parameter in types for parameter in parameters):
        return annotation
    return annotation[tuple(types.get(parameter, parameter) for parameter in parameters)]
