"""The HTTP surface: ``Resource``, its routes, links, trees, scope, problems."""

from colonnade.resources._operations import Operation
from colonnade.resources._positions import ReadYourWrites
from colonnade.resources._problems import Problem
from colonnade.resources._resource import OPERATIONS, Resource
from colonnade.resources._scoping import Unscoped
from colonnade.resources._whole_app import problems

__all__ = [
    "OPERATIONS",
    "Operation",
    "Problem",
    "ReadYourWrites",
    "Resource",
    "Unscoped",
    "problems",
]
