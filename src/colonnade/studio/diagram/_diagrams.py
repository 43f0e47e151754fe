"""The formats of a diagram."""

from collections.abc import Callable, Mapping
from typing import Literal

from colonnade.studio.diagram._dot import dot
from colonnade.studio.diagram._mermaid import mermaid
from colonnade.studio.diagram._schema_graph import SchemaGraph
from colonnade.studio.diagram._svg import svg

Format = Literal["svg", "mmd", "dot"]

FORMATS: Mapping[str, Callable[[SchemaGraph], str]] = {"svg": svg, "mmd": mermaid, "dot": dot}
"""What writes each format, by the suffix of its files."""


def render(graph: SchemaGraph, form: str) -> str:
    """Write a graph.

    Args:
        graph: The tables and relations.
        form: ``svg``, ``mmd`` or ``dot``.

    Raises:
        CommandError: SVG needs a library that is not installed.
    """
    return FORMATS[form](graph)
