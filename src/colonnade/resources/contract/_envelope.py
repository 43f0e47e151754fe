"""``Envelope``: the object around the rows of a list, as the class of the user has it."""

from collections.abc import Mapping
from copy import copy
from typing import Any, Final

from pydantic import (
    BaseModel,
    PlainSerializer,
    PydanticUndefinedAnnotation,
    WrapSerializer,
    create_model,
)
from pydantic_core import from_json

from colonnade.errors import ModelError
from colonnade.resources.contract._envelope_fields import (
    Fields,
    Meaning,
    absolute_links,
    has_absolute_links,
    read_fields,
    row_type,
)

_ROWS_JSON: Final = b'"\\u0001rows\\u0001"'
"""Stands for the rows while Pydantic writes the envelope: no URL contains control characters."""

_ROWS_TEXT: Final[str] = from_json(_ROWS_JSON)


class _Rows:
    """The rows, which only the database has read."""

    def __bool__(self) -> bool:
        raise TypeError("the rows are not read")


_SERIALIZERS = (PlainSerializer, WrapSerializer)

_ROWS: Final = _Rows()
_WRITE_ROWS: Final = PlainSerializer(lambda _: _ROWS_TEXT)

_SAMPLE: Mapping[Meaning, Any] = {
    "rows": _ROWS,
    "total": 1,
    "next": "http://localhost/tasks?offset=2",
    "previous": None,
    "next_cursor": "c2",
    "previous_cursor": None,
    "has_more": True,
    "limit": 1,
    "offset": 1,
}


class Envelope:
    """The envelope of the lists of a Resource.

    Pydantic writes everything but the rows, so that aliases, serializers and computed fields are
    those of the class.

    Args:
        model: The class, or a generic class of a row.

    Attributes:
        model: The class; of a row of any type, if it is generic.
        name: The name of the class.
        doc: Its docstring.
        counts: Whether it has the number of all rows.
        has_cursors: Whether it has the cursors of other pages.
        is_absolute: Whether its links are absolute URLs.

    Raises:
        ModelError: The class has no list, or a field whose meaning is not known.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ModelError(
                f"envelope must be a Pydantic model class with a list for the rows, not {model!r}."
            )
        self.name = model.__name__
        self.doc = model.__doc__
        self.model: Any = model
        if model.__pydantic_generic_metadata__["parameters"]:
            self.model = model[Any]  # type: ignore[index]  # a generic class
        _complete(self.model)
        self._fields = read_fields(self.model, self.name)
        meanings = self._fields.all_meanings()
        self._refuse_other_lists(meanings)
        self.counts = "total" in meanings
        self.has_cursors = not {"next_cursor", "previous_cursor"}.isdisjoint(meanings)
        self.is_absolute = has_absolute_links(self._fields)
        self._writable = _writable(self._fields)
        self._refuse_unwritable_rows()

    @property
    def row_type(self) -> Any:
        """The declared type of the rows."""
        return row_type(self._fields)

    @property
    def rows_name(self) -> str:
        """The name of the field with the rows."""
        (name,) = (name for name, meaning in self._fields.meanings.items() if meaning == "rows")
        return name

    def refuse_other_rows(self, read: type[BaseModel]) -> None:
        """Refuse a class whose list is of another type than the rows of a Resource.

        Args:
            read: The read schema of the Resource.

        Raises:
            ModelError: The type differs.
        """
        declared = self.row_type
        if isinstance(declared, type) and declared not in {read, dict, object, Any}:
            raise ModelError(
                f"{self.name}.{self.rows_name} has rows of {declared.__name__}, and the Resource "
                f"responds with {read.__name__}. Pass read={declared.__name__}, or annotate the "
                f"field as list[Any]."
            )

    def render(self, rows: bytes, values: Mapping[Meaning, Any]) -> bytes:
        """Render a response.

        Args:
            rows: The JSON array of the rows.
            values: The other values, by their meaning.
        """
        instance = _construct(self._writable, {**values, "rows": _ROWS})
        head, _, tail = _json(instance).partition(_ROWS_JSON)
        return b"".join((head, rows, tail))

    def _refuse_other_lists(self, meanings: list[Meaning]) -> None:
        if meanings.count("rows") > 1:
            raise ModelError(
                f"The envelope {self.name} has several lists of rows. A list of a Resource fills "
                f"only one: remove the others."
            )
        if "rows" not in self._fields.meanings.values():
            raise ModelError(
                f"The envelope {self.name} has no list for the rows. Add a field such as "
                f"items: list[Any]."
            )

    def _refuse_unwritable_rows(self) -> None:
        """Refuse a class that needs the rows themselves, or does not write them as they are."""
        why = "does not write the rows as they are"
        try:
            if _json(_construct(self._writable, _SAMPLE)).count(_ROWS_JSON) == 1:
                return
        except Exception as error:
            why = f"cannot be written without the rows themselves: {error}"
        raise ModelError(
            f"The envelope {self.name} {why}. The database writes the rows: remove serializers and "
            f"computed fields that use {self.rows_name}."
        )


def _complete(model: type[BaseModel]) -> None:
    """Resolve quoted annotations that could not be resolved when the class was defined.

    Raises:
        ModelError: They name something that does not exist yet.
    """
    try:
        model.model_rebuild()
    except PydanticUndefinedAnnotation as error:
        raise ModelError(
            f"The envelope {model.__name__} has a field of the type {error.name!r}, which is not "
            f"defined. Define it before the Resource."
        ) from None


def _writable(fields: Fields) -> Fields:
    """The same fields, whose rows and URLs are written as they are."""
    nested = {name: _writable(below) for name, below in fields.nested.items()}
    serializers: dict[str, list[Any]] = {name: [] for name in (*nested, *absolute_links(fields))}
    serializers |= {
        name: [_WRITE_ROWS] for name, meaning in fields.meanings.items() if meaning == "rows"
    }
    if not serializers:
        return fields
    created: Any = create_model
    changed = {
        name: (Any, _untyped(fields.model, name, added)) for name, added in serializers.items()
    }
    model = created(fields.model.__name__, __base__=fields.model, **changed)
    return Fields(model, fields.meanings, nested)


def _untyped(model: type[BaseModel], name: str, added: list[Any]) -> Any:
    """The field of a class with its aliases and serializers, after others, without its type."""
    field = copy(model.model_fields[name])
    serializers = [item for item in field.metadata if isinstance(item, _SERIALIZERS)]
    field.annotation, field.metadata = Any, [*added, *serializers]
    return field


def _construct(fields: Fields, values: Mapping[Meaning, Any]) -> BaseModel:
    nested = {name: _construct(below, values) for name, below in fields.nested.items()}
    filled = {name: values[meaning] for name, meaning in fields.meanings.items()}
    instance = fields.model.model_construct()
    # Passed as arguments, values would also be looked up by the aliases of other fields.
    instance.__dict__.update(filled, **nested)
    return instance


def _json(instance: BaseModel) -> bytes:
    return instance.__pydantic_serializer__.to_json(instance, by_alias=True)
