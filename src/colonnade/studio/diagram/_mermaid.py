"""A diagram in Mermaid's language, which GitHub, GitLab and many editors show."""

import re

from colonnade.studio.diagram._schema_graph import Cardinality, DiagramColumn, SchemaGraph

_LEFT: dict[Cardinality, str] = {"one": "||", "zero_or_one": "|o", "many": "}o"}
_RIGHT: dict[Cardinality, str] = {"one": "||", "zero_or_one": "o|", "many": "o{"}


def mermaid(graph: SchemaGraph) -> str:
    """Write a graph as an entity relationship diagram.

    Args:
        graph: The tables and relations.

    Returns:
        The text of a ``.mmd`` file.
    """
    lines = ["erDiagram"]
    for table in graph.tables:
        lines.append(f"    {_entity(table.name)} {{")
        lines += [f"        {_attribute(column)}" for column in table.columns]
        lines.append("    }")
    for relation in graph.relations:
        ends = f"{_LEFT[relation.target_cardinality]}--{_RIGHT[relation.cardinality]}"
        lines.append(
            f"    {_entity(relation.target)} {ends} {_entity(relation.table)} : "
            f"{_quoted(relation.label)}"
        )
    return "\n".join(lines) + "\n"


def _attribute(column: DiagramColumn) -> str:
    keys = [
        key
        for key, applies in (
            ("PK", column.primary_key),
            ("FK", column.foreign_key),
            ("UK", column.unique),
        )
        if applies
    ]
    parts = [_word(column.type), _word(column.name)]
    if keys:
        parts.append(", ".join(keys))
    if column.nullable:
        parts.append('"nullable"')
    return " ".join(parts)


def _entity(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else _quoted(name)


def _word(text: str) -> str:
    """A type or an attribute, which may have letters, digits and underscores only."""
    word = re.sub(r"\W", "_", text)
    return word if re.match(r"[^\W\d]", word) else f"_{word}"


def _quoted(text: str) -> str:
    """A text in quotes, which Mermaid cannot escape."""
    return '"' + re.sub(r'["\x00-\x1f]', "'", text) + '"'
