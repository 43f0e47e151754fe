"""A diagram as SVG, Mermaid and Graphviz."""

import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from colonnade import Field, SQLModel
from colonnade.studio.diagram import SchemaGraph, render
from colonnade.studio.diagram._schema_graph import DiagramColumn, DiagramRelation, DiagramTable

SVG = "{http://www.w3.org/2000/svg}"
STRANGE = '<script>alert("1")</script>\x07 & "\\'


@pytest.fixture
def graph() -> SchemaGraph:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        slug: str = Field(unique=True)

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")

    return SchemaGraph.of([Task, Project])


@pytest.fixture
def strange_graph() -> SchemaGraph:
    """Tables and columns with names that every format has to escape."""
    column = DiagramColumn(
        STRANGE, "text", primary_key=True, foreign_key=True, unique=False, nullable=True
    )
    tables = (DiagramTable(STRANGE, (column,)), DiagramTable("1 a.b", (column,)))
    relations = (
        DiagramRelation(STRANGE, "1 a.b", (STRANGE,), (STRANGE,), "many", "one"),
        DiagramRelation(STRANGE, "1 a.b", (), (), "many", "many", STRANGE),
        DiagramRelation(STRANGE, STRANGE, (STRANGE,), (STRANGE,), "zero_or_one", "zero_or_one"),
    )
    return SchemaGraph(tables, relations)


def test_mermaid_has_entities_keys_and_relations(graph: SchemaGraph) -> None:
    assert render(graph, "mmd") == (
        "erDiagram\n"
        "    project {\n"
        "        integer id PK\n"
        "        text slug UK\n"
        "    }\n"
        "    task {\n"
        "        integer id PK\n"
        '        integer project_id FK "nullable"\n'
        "    }\n"
        '    project |o--o{ task : "project_id"\n'
    )


def test_graphviz_has_tables_whose_lines_begin_at_columns(graph: SchemaGraph) -> None:
    text = render(graph, "dot")
    assert text.startswith("digraph schema {\n")
    assert '"project":c0 -> "task":c1 [arrowtail=teeodot, arrowhead=crowodot]' in text


def test_svg_has_each_table_column_and_relation(graph: SchemaGraph) -> None:
    root = ET.fromstring(render(graph, "svg"))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert texts == [
        "project", "PK", "id", "integer", "UK", "slug", "text",
        "task", "PK", "id", "integer", "FK", "project_id", "integer?",
    ]  # fmt: skip
    titles = ["".join(title.itertext()) for title in root.iter(f"{SVG}title")]
    assert titles == [
        "2 tables and 1 relation", "task.project_id refers to project", "project", "task",
    ]  # fmt: skip


def test_svg_is_dark_where_the_system_is(graph: SchemaGraph) -> None:
    text = render(graph, "svg")
    assert "color-scheme: light dark;" in text
    assert "--text: light-dark(" in text


def test_a_long_name_is_cut(graph: SchemaGraph) -> None:
    table = DiagramTable("t" * 200, graph.tables[0].columns)
    root = ET.fromstring(render(SchemaGraph((table,), ()), "svg"))
    name = next(root.iter(f"{SVG}text"))
    assert name.text == "t" * 47 + "…"


def test_names_are_text_in_svg(strange_graph: SchemaGraph) -> None:
    root = ET.fromstring(render(strange_graph, "svg"))
    assert not list(root.iter(f"{SVG}script"))
    shown = [text.text for text in root.iter(f"{SVG}text")]
    assert STRANGE.replace("\x07", "\ufffd") in shown


def test_names_end_no_text_in_mermaid(strange_graph: SchemaGraph) -> None:
    text = render(strange_graph, "mmd")
    assert "\x07" not in text
    for line in text.splitlines():
        assert re.fullmatch(r'(?:[^"]*"[^"]*")*[^"]*', line)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_strange_names(strange_graph: SchemaGraph) -> None:
    text = render(strange_graph, "dot")
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_diagram_is_the_same_every_time(graph: SchemaGraph) -> None:
    for form in ("svg", "mmd", "dot"):
        assert render(graph, form) == render(graph, form)
