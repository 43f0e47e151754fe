"""Python laid out as Ruff and Black do, for revisions that need no formatter afterwards."""

import ast
from collections.abc import Iterator, Sequence

WIDTH = 88
"""Columns in a line: Ruff's and Black's default, which every project accepts."""


def lay_out(source: str, indent: int = 4) -> str:
    """Statements, each of them a call or a ``with`` block of such, one beneath the other.

    Args:
        source: Python, laid out anyhow.
        indent: Columns that each line begins with.
    """
    return "\n".join(_statements(ast.parse(source).body, indent))


def _statements(body: Sequence[ast.stmt], indent: int) -> Iterator[str]:
    for number, statement in enumerate(body):
        if isinstance(statement, ast.With):
            (item,) = statement.items
            bound = f" as {ast.unparse(item.optional_vars)}" if item.optional_vars else ""
            yield from lines_of(item.context_expr, indent, "with ", f"{bound}:")
            yield from _statements(statement.body, indent + 4)
            if number + 1 < len(body):
                yield ""
        elif isinstance(statement, ast.Expr):
            yield from lines_of(statement.value, indent, "", "")
        else:
            yield " " * indent + ast.unparse(statement)


def lines_of(node: ast.expr, indent: int, before: str, after: str, width: int = WIDTH) -> list[str]:
    """An expression on one line if it fits, else its arguments on their own lines."""
    line = f"{' ' * indent}{before}{flat(node)}{after}"
    parts = _brackets(node)
    if len(line) <= width or parts is None:
        return [line]
    opening, items, closing = parts
    hugged = " " * (indent + 4) + ", ".join(f"{name}{flat(value)}" for name, value in items)
    if len(hugged) <= width and not isinstance(node, ast.Tuple | ast.List | ast.Dict):
        inner = [hugged]
    else:
        inner = [
            row for name, value in items for row in lines_of(value, indent + 4, name, ",", width)
        ]
    return [f"{' ' * indent}{before}{opening}", *inner, f"{' ' * indent}{closing}{after}"]


def _brackets(node: ast.expr) -> tuple[str, list[tuple[str, ast.expr]], str] | None:
    """What can be broken over lines: the opening, what is inside with its names, the closing."""
    match node:
        case ast.Call(func=func, args=args, keywords=keywords) if args or keywords:
            named = [(f"{keyword.arg}=", keyword.value) for keyword in keywords]
            return f"{flat(func)}(", [*(("", arg) for arg in args), *named], ")"
        case ast.Tuple(elts=elements) if elements:
            return "(", [("", element) for element in elements], ")"
        case ast.List(elts=elements) if elements:
            return "[", [("", element) for element in elements], "]"
        case ast.Subscript(value=value, slice=ast.Tuple(elts=elements)):
            return f"{flat(value)}[", [("", element) for element in elements], "]"
        case ast.Dict(keys=keys, values=values) if keys:
            pairs = zip(keys, values, strict=True)
            return "{", [(f"{flat(key)}: " if key else "**", value) for key, value in pairs], "}"
    return None


def flat(node: ast.expr) -> str:
    """An expression on one line, with the quotes that Ruff prefers."""
    match node:
        case ast.Constant(value=str() as text):
            return _quoted(text)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{flat(left)} | {flat(right)}"
        case ast.Tuple(elts=[only]):
            return f"({flat(only)},)"
        case ast.Dict() | ast.List() | ast.Tuple() | ast.Call() | ast.Subscript():
            parts = _brackets(node)
            if parts is not None:
                opening, items, closing = parts
                inside = ", ".join(f"{name}{flat(value)}" for name, value in items)
                return f"{opening}{inside}{closing}"
            if isinstance(node, ast.Subscript):
                return f"{flat(node.value)}[{flat(node.slice)}]"
    return ast.unparse(node)


def _quoted(text: str) -> str:
    quote = "'" if text.count('"') > text.count("'") else '"'
    other = '"' if quote == "'" else "'"
    # repr() prefers single quotes, unless the text has one and no double quote.
    plain = repr(text.replace(quote, "\0").replace(other, "\1"))[1:-1]
    return quote + plain.replace("\\x00", f"\\{quote}").replace("\\x01", other) + quote
