"""The fields of models, and the time in UTC."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit
from colonnade.lint.project._models import Attribute


def fields(at: Context) -> Iterator[Attribute]:
    for model in at.models:
        for field in model.own.values():
            if isinstance(field, Attribute):
                yield field


def utc_now(at: Context, call: ast.expr) -> tuple[str, str, tuple[Edit, ...]] | None:
    """How ``datetime`` is written here, what its zone is called, and the imports that want it."""
    datetime = at.edit.text(call.value) if isinstance(call, ast.Attribute) else ""
    if not datetime:
        return None
    if datetime.endswith(".datetime"):  # import datetime
        return datetime, f"{datetime.removesuffix('.datetime')}.timezone.utc", ()
    zone = at.edit.name_of("datetime", "timezone")
    return (datetime, f"{zone[0]}.utc", zone[1]) if zone is not None else None
