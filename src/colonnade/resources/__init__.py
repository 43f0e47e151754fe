"""The HTTP surface: ``Resource``, its routes, links, trees, scope, problems."""

from colonnade.resources._operations import Operation
from colonnade.resources._problems import Problem, problems
from colonnade.resources._resource import OPERATIONS, Resource
from colonnade.resources._scoping import Unscoped

__all__ = ["OPERATIONS", "Operation", "Problem", "Resource", "Unscoped", "problems"]
