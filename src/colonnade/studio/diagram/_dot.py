"""A diagram in the language of Graphviz."""

from colonnade.studio.diagram._schema_graph import Cardinality, DiagramTable, SchemaGraph
from colonnade.studio.diagram._texts import markup

_ARROWS: dict[Cardinality, str] = {"one": "teetee", "zero_or_one": "teeodot", "many": "crowodot"}

_HEADER = """\
digraph schema {
    graph [rankdir=LR, nodesep=0.4, ranksep=1.0]
    node [shape=plain, fontname="Helvetica", fontsize=11]
    edge [dir=both, fontname="Helvetica", fontsize=9, color="#57606a"]
"""


def dot(graph: SchemaGraph) -> str:
    """Write a graph as a digraph, whose lines begin at the columns.

    Args:
        graph: The tables and relations.

    Returns:
        The text of a ``.dot`` file.
    """
    lines = [f"    {_quoted(table.name)} [label=<{_label(table)}>]" for table in graph.tables]
    ports = {
        (table.name, column.name): f":c{number}"
        for table in graph.tables
        for number, column in enumerate(table.columns)
    }
    for relation in graph.relations:
        target, source = _quoted(relation.target), _quoted(relation.table)
        if relation.columns:
            target += ports.get((relation.target, relation.target_columns[0]), "")
            source += ports.get((relation.table, relation.columns[0]), "")
        arrows = (
            f"arrowtail={_ARROWS[relation.target_cardinality]}, "
            f"arrowhead={_ARROWS[relation.cardinality]}"
        )
        label = "" if relation.link is None else f", label={_quoted(relation.link)}"
        lines.append(f"    {target} -> {source} [{arrows}{label}]")
    return _HEADER + "\n".join(lines) + "\n}\n"


def _label(table: DiagramTable) -> str:
    rows = [f'<tr><td colspan="2" bgcolor="#eaeef2"><b>{markup(table.name)}</b></td></tr>']
    for number, column in enumerate(table.columns):
        name = f"<b>{markup(column.name)}</b>" if column.primary_key else markup(column.name)
        optional = "?" if column.nullable else ""
        rows.append(
            f'<tr><td align="left" port="c{number}">{name}</td>'
            f'<td align="left">{markup(column.type)}{optional}</td></tr>'
        )
    attributes = 'border="0" cellborder="1" cellspacing="0" cellpadding="4"'
    return f"<table {attributes}>{''.join(rows)}</table>"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
