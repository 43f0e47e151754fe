"""The diagram of a schema: tables, keys and relations, as SVG, Mermaid or Graphviz."""

from colonnade.studio.diagram._diagrams import FORMATS, Format, render
from colonnade.studio.diagram._schema_graph import SchemaGraph
from colonnade.studio.diagram._svg import svg

__all__ = ["FORMATS", "Format", "SchemaGraph", "render", "svg"]
