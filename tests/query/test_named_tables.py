"""The tables that a request names besides its own."""

from types import SimpleNamespace

import pytest

from colonnade.query import PageReader, QueryableTable, named_tables
from tests.resources.sample_app import INCLUDE, define_models


@pytest.mark.parametrize(
    ("name", "value", "tables"),
    [
        ("title", "x", set()),
        ("order_by", "title", set()),
        ("include", "project", {"project"}),
        ("include", "subtasks, assignments:5.worker", {"task", "assignment", "worker"}),
        ("include", "labels", {"label", "tasklabel"}),
        ("project__slug", "web", {"project"}),
        ("where", '{"or":[{"title":"x"},{"not":{"labels":{"name":"y"}}}]}', {"label", "tasklabel"}),
        ("where", '{"assignments":{"worker":{"id":"@ana"}}}', {"assignment", "worker"}),
    ],
)
def test_the_tables_of_includes_and_filters_are_named(
    name: str, value: str, tables: set[str]
) -> None:
    models: SimpleNamespace = define_models()
    queryable = QueryableTable.of(models.Task, None, INCLUDE)
    query = [(name, value)]
    page = PageReader(queryable).read(query)
    named = named_tables(queryable, query, page.filter.node)
    assert {table.name for table in named} == tables
