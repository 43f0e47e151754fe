"""Studio on the table of tasks."""

from fastapi import Depends

from benchmarks.contenders.colonnade_app import Task, app, db
from colonnade import Resource, Studio


def anyone() -> None:
    """Let everyone in."""


Studio(app, [Resource(Task, db)], dependencies=[Depends(anyone)])
