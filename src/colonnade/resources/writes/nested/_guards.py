"""The dependencies that guard what a nested body does to the tables of other Resources."""

from fastapi import HTTPException, Request, params

from colonnade.resources._fastapi_compat import (
    identity_of,
    inclusion_dependencies,
    solve_dependency,
)
from colonnade.resources._hook_parameters import hook_dependencies
from colonnade.resources.responses._problems import Problem
from colonnade.resources.writes._resource_tables import resource_table
from colonnade.writes import NestedBody, RejectedError, WritableTable, relocated


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
        dependencies = [
            *inclusion_guards(request, body.root, table),
            *resource_table(table).guards.get(needed, ()),
            *hook_dependencies(hooks),
        ]
        try:
            for dependency in dependencies:
                await solve_dependency(dependency, request)
            resource_table(table).raise_failed_choices(request, needed)
        except HTTPException as error:
            refusal = relocated(error, loc)
            if isinstance(refusal, RejectedError):
                raise Problem.of(refusal) from error
            raise


def inclusion_guards(
    request: Request, root: WritableTable, table: WritableTable
) -> list[params.Depends]:
    """Return the dependencies with which the app includes the Resource of a nested table.

    Those of the Resource that the request calls have run. If the app includes a Resource several
    times, a client may call any of them, so that the fewest suffice.

    Args:
        request: The request.
        root: The table of the Resource that the request calls.
        table: The nested table.
    """
    app = request.scope["app"]
    called = [
        {identity_of(dependency) for dependency in inclusion}
        for inclusion in inclusion_dependencies(app, resource_table(root).router)
    ]
    have_run = set.intersection(*called) if called else set()
    return min(
        (
            [dependency for dependency in inclusion if identity_of(dependency) not in have_run]
            for inclusion in inclusion_dependencies(app, resource_table(table).router)
        ),
        key=len,
        default=[],
    )
