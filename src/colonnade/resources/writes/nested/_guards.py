"""The dependencies that guard what a nested body does to the tables of other Resources."""

from fastapi import HTTPException, Request, params

from colonnade.resources._fastapi_compat import solve_dependency
from colonnade.resources._hook_parameters import hook_dependencies
from colonnade.resources.writes.nested._located_errors import relocated
from colonnade.resources.writes.nested._parsing import NestedBody


async def run_guards(request: Request, body: NestedBody, operation: str) -> None:
    """Run the guards of all operations that a body needs, as if they were called directly.

    Args:
        request: The request.
        body: The body.
        operation: The operation of the route, whose guards have run.

    Raises:
        HTTPException: A guard refuses; the error has the path that needed it.
    """
    for (table, needed), loc in body.uses.items():
        if table is body.root and needed == operation:
            continue
        hooks = () if needed == "link" else table.hooks.of_kinds((needed,))
        dependencies: list[params.Depends] = [
            *table.guards.get(needed, ()),
            *hook_dependencies(hooks),
        ]
        for dependency in dependencies:
            try:
                await solve_dependency(dependency, request)
            except HTTPException as error:
                raise relocated(error, loc) from error
