"""Format Python as Ruff and Black do, so that revisions need no formatter."""

import ast
from collections.abc import Iterator, Sequence

WIDTH = 88
"""The line length: the default of Ruff and Black, which is within the limit of most projects."""


def format_statements(source: str, indent: int = 4) -> str:
    """Format statements that are calls, or ``with`` blocks of calls.

    Args:
        source: Python source in any layout.
        indent: The indentation of each line, in columns.
    """
    return "\n".join(_statements(ast.parse(source).body, indent))


def _statements(body: Sequence[ast.stmt], indent: int) -> Iterator[str]:
    for number, statement in enumerate(body):
        if isinstance(statement, ast.With):
            (item,) = statement.items
            bound = f" as {ast.unparse(item.optional_vars)}" if item.optional_vars else ""
            yield from format_lines(item.context_expr, indent, "with ", f"{bound}:")
            yield from _statements(statement.body, indent + 4)
            if number + 1 < len(body):
                yield ""
        elif isinstance(statement, ast.Expr):
            yield from format_lines(statement.value, indent, "", "")
        else:
            yield " " * indent + ast.unparse(statement)


def format_lines(
    node: ast.expr, indent: int, before: str, after: str, width: int = WIDTH
) -> list[str]:
    """Format an expression on one line if it fits, else with its arguments on separate lines."""
    line = f"{' ' * indent}{before}{format_inline(node)}{after}"
    parts = _brackets(node)
    if len(line) <= width or parts is None:
        return [line]
    opening, items, closing = parts
    hugged = " " * (indent + 4) + ", ".join(
        f"{name}{format_inline(value)}" for name, value in items
    )
    if len(hugged) <= width and not isinstance(node, ast.Tuple | ast.List | ast.Dict):
        inner = [hugged]
    else:
        inner = [
            row
            for name, value in items
            for row in format_lines(value, indent + 4, name, ",", width)
        ]
    return [f"{' ' * indent}{before}{opening}", *inner, f"{' ' * indent}{closing}{after}"]


def _brackets(node: ast.expr) -> tuple[str, list[tuple[str, ast.expr]], str] | None:
    """Split an expression at its brackets: the opening, the items with prefixes, the closing."""
    match node:
        case ast.Call(func=func, args=args, keywords=keywords) if args or keywords:
            named = [(f"{keyword.arg}=", keyword.value) for keyword in keywords]
            return f"{format_inline(func)}(", [*(("", arg) for arg in args), *named], ")"
        case ast.Tuple(elts=elements) if elements:
            return "(", [("", element) for element in elements], ")"
        case ast.List(elts=elements) if elements:
            return "[", [("", element) for element in elements], "]"
        case ast.Subscript(value=value, slice=ast.Tuple(elts=elements)):
            return f"{format_inline(value)}[", [("", element) for element in elements], "]"
        case ast.Dict(keys=keys, values=values) if keys:
            pairs = zip(keys, values, strict=True)
            return (
                "{",
                [(f"{format_inline(key)}: " if key else "**", value) for key, value in pairs],
                "}",
            )
    return None


def format_inline(node: ast.expr) -> str:
    """Format an expression on one line, with the quotes that Ruff prefers."""
    match node:
        case ast.Constant(value=str() as text):
            return _quoted(text)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{format_inline(left)} | {format_inline(right)}"
        case ast.Tuple(elts=[only]):
            return f"({format_inline(only)},)"
        case ast.Dict() | ast.List() | ast.Tuple() | ast.Call() | ast.Subscript():
            parts = _brackets(node)
            if parts is not None:
                opening, items, closing = parts
                inside = ", ".join(f"{name}{format_inline(value)}" for name, value in items)
                return f"{opening}{inside}{closing}"
            if isinstance(node, ast.Subscript):
                return f"{format_inline(node.value)}[{format_inline(node.slice)}]"
    return ast.unparse(node)


def _quoted(text: str) -> str:
    quote = "'" if text.count('"') > text.count("'") else '"'
    other = '"' if quote == "'" else "'"
    # Placeholders for both quotes keep repr() from choosing the quotes and from escaping them.
    plain = repr(text.replace(quote, "\0").replace(other, "\1"))[1:-1]
    return quote + plain.replace("\\x00", f"\\{quote}").replace("\\x01", other) + quote
