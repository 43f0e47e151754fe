"""The HTTP API: ``Resource``, its routes, links, trees, scopes, problems."""

from colonnade.resources._fastapi_compat import (
    answering_route,
    included_routers,
    inclusion_prefixes,
    mounts_with,
)
from colonnade.resources._resource import STANDARD, Resource
from colonnade.resources._resource_checks import OPERATIONS
from colonnade.resources._scoping import Unscoped
from colonnade.resources.contract._envelope_fields import EnvelopeField
from colonnade.resources.descriptions._resource_description import (
    ActionDescription,
    FieldDescription,
    RelationDescription,
    ResourceDescription,
)
from colonnade.resources.descriptions._studio_view import StudioView
from colonnade.resources.in_process._readable_tables import (
    ReadableTable,
    readable_tables,
    request_to_table,
)
from colonnade.resources.in_process._requests import (
    api_scope,
    in_process_scope,
    path_of_table,
    receive_nothing,
    root_in_path,
)
from colonnade.resources.in_process._served_tables import (
    ServedTable,
    refuse_parameters,
    served_tables,
)
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._exception_handlers import problems
from colonnade.resources.routes._names import path_of
from colonnade.resources.routes._read_your_writes import ReadYourWrites
from colonnade.resources.routes._route import GeneratedRoute, ResourceRoute, without_names
from colonnade.resources.routes._route_builder import Operation
from colonnade.resources.routes._shared_session import SharedSession, share_session

__all__ = [
    "OPERATIONS",
    "STANDARD",
    "ActionDescription",
    "EnvelopeField",
    "FieldDescription",
    "GeneratedRoute",
    "Operation",
    "Problem",
    "ReadYourWrites",
    "ReadableTable",
    "RelationDescription",
    "Resource",
    "ResourceDescription",
    "ResourceRoute",
    "ServedTable",
    "SharedSession",
    "StudioView",
    "Unscoped",
    "answering_route",
    "api_scope",
    "in_process_scope",
    "included_routers",
    "inclusion_prefixes",
    "mounts_with",
    "path_of",
    "path_of_table",
    "problems",
    "readable_tables",
    "receive_nothing",
    "refuse_parameters",
    "request_to_table",
    "root_in_path",
    "served_tables",
    "share_session",
    "without_names",
]
