"""What a table is: the model class, its columns, mixins, ``Shape`` and derived schemas."""

from colonnade.models._annotations import Bounds
from colonnade.models._fields import Field, FieldFlags
from colonnade.models._mixins import Timestamps, Versioned, statement_time
from colonnade.models._model import SQLModel
from colonnade.models._reflection import Reflection, reflect_models
from colonnade.models._relation_shapes import LinkShape, RelationShape
from colonnade.models._schemas import Schemas, schemas, whole_schema
from colonnade.models._shape import ColumnShape, ForeignKeyShape, Shape
from colonnade.models._types import UTCDateTime

__all__ = [
    "Bounds",
    "ColumnShape",
    "Field",
    "FieldFlags",
    "ForeignKeyShape",
    "LinkShape",
    "Reflection",
    "RelationShape",
    "SQLModel",
    "Schemas",
    "Shape",
    "Timestamps",
    "UTCDateTime",
    "Versioned",
    "reflect_models",
    "schemas",
    "statement_time",
    "whole_schema",
]
