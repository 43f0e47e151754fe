"""Tables: the model class, columns, mixins, ``Shape`` and derived schemas."""

from colonnade.models._annotations import Annotation, Bounds
from colonnade.models._clock import now, stop_clock
from colonnade.models._columns import column_type_of
from colonnade.models._constraints import check_name, constraint_name
from colonnade.models._fields import Field, FieldFlags
from colonnade.models._idempotency import Idempotency
from colonnade.models._mixins import Timestamps, UUIDKey, Versioned, statement_time
from colonnade.models._model import SQLModel
from colonnade.models._native_types import (
    MULTIRANGES,
    RANGES,
    SCALARS,
    TEXT_FORMS,
    holds_scalar,
    is_range,
    type_name,
    type_on,
)
from colonnade.models._reflection import (
    Reflection,
    attribute_name,
    is_reflected,
    reflect_models,
    relation_names,
    table_classes,
)
from colonnade.models._relation_shapes import LinkShape, RelationShape
from colonnade.models._schemas import (
    NamedValues,
    Schemas,
    row_validator,
    schemas,
    with_absent_fields,
)
from colonnade.models._shape import (
    ColumnShape,
    ForeignKeyShape,
    Shape,
    element_of,
    value_shape,
)
from colonnade.models._storable import (
    Base64JSON,
    from_base64,
    require_storable,
    require_storable_json,
    to_base64,
)
from colonnade.models._stored_tables import (
    LooseText,
    application_tables,
    read_sqlite_types,
    read_sqlite_uniques,
    schemas_with_tables,
)
from colonnade.models._types import TextValue, UTCDateTime, UTCTimestamp
from colonnade.models._utc_on_flush import local_as_utc
from colonnade.models._uuids import uuid7
from colonnade.models._words import plural, singular, snake, with_article

__all__ = [
    "MULTIRANGES",
    "RANGES",
    "SCALARS",
    "TEXT_FORMS",
    "Annotation",
    "Base64JSON",
    "Bounds",
    "ColumnShape",
    "Field",
    "FieldFlags",
    "ForeignKeyShape",
    "Idempotency",
    "LinkShape",
    "LooseText",
    "NamedValues",
    "Reflection",
    "RelationShape",
    "SQLModel",
    "Schemas",
    "Shape",
    "TextValue",
    "Timestamps",
    "UTCDateTime",
    "UTCTimestamp",
    "UUIDKey",
    "Versioned",
    "application_tables",
    "attribute_name",
    "check_name",
    "column_type_of",
    "constraint_name",
    "element_of",
    "from_base64",
    "holds_scalar",
    "is_range",
    "is_reflected",
    "local_as_utc",
    "now",
    "plural",
    "read_sqlite_types",
    "read_sqlite_uniques",
    "reflect_models",
    "relation_names",
    "require_storable",
    "require_storable_json",
    "row_validator",
    "schemas",
    "schemas_with_tables",
    "singular",
    "snake",
    "statement_time",
    "stop_clock",
    "table_classes",
    "to_base64",
    "type_name",
    "type_on",
    "uuid7",
    "value_shape",
    "with_absent_fields",
    "with_article",
]
