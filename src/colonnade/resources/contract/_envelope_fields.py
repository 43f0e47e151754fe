"""``EnvelopeField``: what each field of an envelope means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from colonnade.errors import ModelError
from colonnade.models import snake

Meaning = Literal[
    "rows",
    "total",
    "next",
    "previous",
    "next_cursor",
    "previous_cursor",
    "has_more",
    "limit",
    "offset",
]
"""What a field of an envelope contains."""


@dataclass(frozen=True, slots=True)
class EnvelopeField:
    """Says what a field of an envelope means, where its name does not.

    The only list of an envelope has the rows. These names are known, in camel case as well:
    ``total``, ``count``, ``total_count``; ``next``, ``next_url``; ``previous``, ``prev``,
    ``previous_url``, ``prev_url``; ``next_cursor``; ``previous_cursor``, ``prev_cursor``;
    ``has_more``, ``has_next``; ``limit``; ``offset``, ``skip``.

    Attributes:
        meaning: ``rows``, ``total`` (the number of all rows), ``next`` and ``previous`` (URLs of
            other pages), ``next_cursor`` and ``previous_cursor``, ``has_more`` (whether there is
            a next page), ``limit`` or ``offset``.

    Examples:
        ```python
        from typing import Annotated, Any

        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        from pydantic import BaseModel

        from colonnade import Database, EnvelopeField, Field, Resource, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        class Hits(BaseModel):
            found: Annotated[int, EnvelopeField("total")]
            hits: list[Any]


        db = Database("sqlite://")
        db.create_all()
        app = FastAPI()
        app.include_router(Resource(Task, db, envelope=Hits))
        client = TestClient(app)
        client.post("/tasks", json={})
        print(client.get("/tasks").json())  # {'found': 1, 'hits': [{'id': 1}]}
        ```
    """

    meaning: Meaning


class Fields(NamedTuple):
    """The fields of an envelope, or of an object in it.

    Attributes:
        model: The class.
        meanings: The meaning of each field; a constant has none.
        nested: The fields that are objects.
    """

    model: type[BaseModel]
    meanings: Mapping[str, Meaning]
    nested: Mapping[str, "Fields"]

    def all_meanings(self) -> list[Meaning]:
        """Return the meanings, with those of nested objects."""
        below = [meaning for fields in self.nested.values() for meaning in fields.all_meanings()]
        return [*self.meanings.values(), *below]


_NAMES: dict[str, Meaning] = {
    "total": "total",
    "count": "total",
    "total_count": "total",
    "next": "next",
    "next_url": "next",
    "previous": "previous",
    "prev": "previous",
    "previous_url": "previous",
    "prev_url": "previous",
    "next_cursor": "next_cursor",
    "previous_cursor": "previous_cursor",
    "prev_cursor": "previous_cursor",
    "has_more": "has_more",
    "has_next": "has_more",
    "limit": "limit",
    "offset": "offset",
    "skip": "offset",
}

_PATH, _URL = "/tasks?limit=5", "https://example.com/tasks?limit=5"

_TYPES: dict[Meaning, tuple[tuple[object, ...], str, str]] = {
    "total": ((0, 10**9), "an integer", "int"),
    "next": ((None, _URL), "a URL, or null on the last page", "str | None"),
    "previous": ((None, _URL), "a URL, or null on the first page", "str | None"),
    "next_cursor": ((None, "c1"), "text, or null on the last page", "str | None"),
    "previous_cursor": ((None, "c1"), "text, or null on the first page", "str | None"),
    "has_more": ((True, False), "true or false", "bool"),
    "limit": ((1, 10**9), "an integer", "int"),
    "offset": ((None, 0, 10**9), "an integer, or null on a page by cursor", "int | None"),
}
"""Values that a field with each meaning has to accept, what they are, and the usual type."""


def read_fields(model: type[BaseModel], name: str = "") -> Fields:
    """Return the fields of an envelope, or of an object in it.

    Args:
        model: The class.
        name: The name of the class in messages.

    Raises:
        ModelError: The meaning of a field is not known, or its type does not fit.
    """
    name = name or model.__name__
    meanings: dict[str, Meaning] = {}
    nested: dict[str, Fields] = {}
    lists = [field for field, info in model.model_fields.items() if _is_list(info.annotation)]
    for field, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            nested[field] = read_fields(info.annotation, f"{name}.{field}")
        elif get_origin(info.annotation) is not Literal or info.is_required():
            meanings[field] = _meaning(name, field, info, is_only_list=lists == [field])
    return Fields(model, meanings, nested)


def has_absolute_links(fields: Fields) -> bool:
    """Whether a link in an envelope is an absolute URL."""
    return bool(absolute_links(fields)) or any(map(has_absolute_links, fields.nested.values()))


def absolute_links(fields: Fields) -> list[str]:
    """Return the links with a type such as ``HttpUrl``, which has no URLs without a host."""
    return [
        name
        for name, meaning in fields.meanings.items()
        if meaning in {"next", "previous"} and not _accepts(fields.model.model_fields[name], _PATH)
    ]


def _meaning(model: str, name: str, field: FieldInfo, *, is_only_list: bool) -> Meaning:
    marked = [item.meaning for item in field.metadata if isinstance(item, EnvelopeField)]
    meaning = marked[0] if marked else "rows" if is_only_list else _NAMES.get(snake(name))
    if meaning is None or meaning not in get_args(Meaning):
        what = f"has the unknown meaning {meaning!r}" if marked else "has no known meaning"
        raise ModelError(
            f"The field {model}.{name} {what}, so that a list could not fill it. Say what it is "
            f'with Annotated[..., EnvelopeField("total")], or remove it. Meanings: '
            f"{', '.join(get_args(Meaning))}."
        )
    if meaning == "rows":
        if not _is_list(field.annotation):
            raise ModelError(
                f"The field {model}.{name} has the rows of a page, so that it must be a list. "
                f"Annotate it as list[Any], or as a list of the read schema."
            )
        return meaning
    samples, what, annotation = _TYPES[meaning]
    if not all(_accepts(field, sample) for sample in samples):
        raise ModelError(
            f"The field {model}.{name} is {what} ({meaning}), which its type does not accept. "
            f"Annotate it as {annotation}."
        )
    return meaning


def _is_list(annotation: Any) -> bool:
    return annotation is list or get_origin(annotation) in {list, Sequence}


def row_type(fields: Fields) -> Any:
    """Return the type of the items of the list."""
    (name,) = (name for name, meaning in fields.meanings.items() if meaning == "rows")
    arguments = get_args(fields.model.model_fields[name].annotation)
    return arguments[0] if arguments else Any


def _accepts(field: FieldInfo, value: object) -> bool:
    annotation: Any = field.annotation
    if field.metadata:
        annotation = Annotated[annotation, *field.metadata]
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
