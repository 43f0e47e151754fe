"""Values inside of JSON columns and arrays: their paths, types and SQL."""

from colonnade.query.inside_json._json_operands import (
    any_type_comparison,
    element_operand,
    require_list,
)
from colonnade.query.inside_json._json_paths import JSONPath

__all__ = ["JSONPath", "any_type_comparison", "element_operand", "require_list"]
