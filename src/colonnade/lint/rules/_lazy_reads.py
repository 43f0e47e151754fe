"""The reads of relations that were not loaded, one for each loader option that is missing."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.inference._flow import Read


def first_reads(context: Context) -> Iterator[Read]:
    """Yield the first lazy read of each relation of the rows of a query.

    One option of the query mends all of them, and only the first one asks the database.
    """
    seen: set[tuple[ast.AST | None, str, str]] = set()
    reads = (read for read in context.reads if read.lazy and isinstance(read.node, ast.Attribute))
    for read in sorted(reads, key=lambda read: (read.node.lineno, read.node.col_offset)):
        model = read.row.model
        key = (read.row.node or read.node, model.name if model is not None else "", read.name)
        if key not in seen:
            seen.add(key)
            yield read
