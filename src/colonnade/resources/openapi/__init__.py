"""The OpenAPI documentation of generated routes."""

from colonnade.resources.openapi._bodies import Body
from colonnade.resources.openapi._envelopes import listed_rows
from colonnade.resources.openapi._one_of import merged_parameters, one_of_annotations
from colonnade.resources.openapi._parameters import (
    LazyParameters,
    create_only_parameter,
    etags_parameter,
    header_parameter,
    path_parameter,
)
from colonnade.resources.openapi._query_parameters import (
    depth_parameter,
    keys_parameter,
    page_parameters,
    upsert_parameters,
)
from colonnade.resources.openapi._responses import (
    Deleted,
    changed_response,
    created_response,
    responses,
    with_unreachable,
)
from colonnade.resources.openapi._rows import ParameterProblem, Rows

__all__ = [
    "Body",
    "Deleted",
    "LazyParameters",
    "ParameterProblem",
    "Rows",
    "changed_response",
    "create_only_parameter",
    "created_response",
    "depth_parameter",
    "etags_parameter",
    "header_parameter",
    "keys_parameter",
    "listed_rows",
    "merged_parameters",
    "one_of_annotations",
    "page_parameters",
    "path_parameter",
    "responses",
    "upsert_parameters",
    "with_unreachable",
]
