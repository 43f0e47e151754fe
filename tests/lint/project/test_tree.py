"""Walking a syntax tree yields what ``ast.walk`` does, without operators and contexts."""

import ast
from pathlib import Path

import pytest
import sqlalchemy
import sqlmodel

from colonnade.lint.project._tree import walk

WITHOUT_POSITION = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
CODE = """
@decorated(1)
def f(a, *b: int, c=1, d, **e) -> str:
    global x, y
    async def g(): return [n for n in range(3) if n and not n % 2]
    try: {**e, "a": 1}
    except* ValueError as error: raise error from None
    match a:
        case {"k": [1, *rest], **others} | Point(x=0, y=-1): return f"{a!r:>{c}}"
    return a if b else c[1:2] < d <= e is not None
"""


@pytest.mark.parametrize(
    "source", [CODE, sqlmodel.__file__, sqlalchemy.__file__], ids=["all", "sqlmodel", "sqlalchemy"]
)
def test_all_nodes_are_visited_once_and_before_those_inside(source: str) -> None:
    files = [source] if source == CODE else Path(source).parent.glob("*.py")
    for code in files:
        tree = ast.parse(code if isinstance(code, str) else code.read_text())
        nodes = list(walk(tree))
        expected = [node for node in ast.walk(tree) if not isinstance(node, WITHOUT_POSITION)]
        assert len(nodes) == len(expected)
        assert set(nodes) == set(expected)
        visited: set[ast.AST] = set()
        for node in nodes:
            assert visited.isdisjoint(ast.iter_child_nodes(node))
            visited.add(node)
