"""Makes exact edits of a module's text, which keep its comments and layout."""

import ast
import re
from functools import cached_property
from typing import Any

from colonnade.lint._findings import Edit
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._module_summary import DEFINITION, top_level
from colonnade.lint.project._modules import Module

COMMENT = re.compile(r"#[^\r\n]*")
LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Editor:
    """Makes the edits of a module.

    Args:
        module: The module.
    """

    def __init__(self, module: Module) -> None:
        self._module = module
        self._block = module.block
        self._text = module.source.text

    def start(self, node: ast.AST) -> int:
        """The offset in the file where a node starts."""
        position: Any = node  # the base class ast.AST has no position, but these nodes have
        return self._block.offset(position.lineno, position.col_offset)

    def end(self, node: ast.AST) -> int:
        """The offset in the file where a node ends."""
        position: Any = node
        return self._block.offset(position.end_lineno, position.end_col_offset)

    def text(self, node: ast.AST) -> str:
        """The source text of a node."""
        return self._text[self.start(node) : self.end(node)]

    def replace(self, node: ast.AST, text: str) -> Edit:
        """Replace a node with text."""
        return Edit(self.start(node), self.end(node), text)

    def insert_before(self, node: ast.AST, text: str) -> Edit:
        """Insert text before a node."""
        return Edit(self.start(node), self.start(node), text)

    def insert_after(self, node: ast.AST, text: str) -> Edit:
        """Insert text after a node."""
        return Edit(self.end(node), self.end(node), text)

    def code_between(self, start: int, end: int) -> str:
        """The text between two offsets, with comments replaced by spaces of the same length."""
        return COMMENT.sub(_blank, self._text[start:end])

    def add_argument(self, call: ast.Call, text: str) -> tuple[Edit, ...]:
        """Append an argument to a call."""
        arguments = self._arguments(call)
        close = self.end(call) - 1
        if arguments:
            return self._add_item(arguments[-1], close, text)
        line = self._line_start(close)
        if self._text[line:close].strip():
            return (Edit(close, close, text),)
        return (Edit(line, line, f"{self._text[line:close]}    {text},\n"),)

    def set_argument(self, call: ast.Call, name: str, value: str) -> tuple[Edit, ...]:
        """Add a keyword argument to a call, or replace its value."""
        for keyword in call.keywords:
            if keyword.arg == name:
                return (self.replace(keyword.value, value),)
        return self.add_argument(call, f"{name}={value}")

    def remove_argument(self, call: ast.Call, keyword: ast.keyword) -> Edit:
        """Remove a keyword argument with its comma, and with its line if nothing else is on it."""
        arguments = self._arguments(call)
        position = arguments.index(keyword)
        last = position + 1 == len(arguments)
        start = self.start(keyword)
        following = self.end(call) - 1 if last else self.start(arguments[position + 1])
        end, comma = self._item_end(keyword, following)
        whole = self._whole_lines(start, comma)
        if whole is not None:
            return whole
        if position and "\n" not in self._text[self.end(arguments[position - 1]) : start]:
            return Edit(self._item_end(arguments[position - 1], start)[0], end, "")
        if not last and "#" not in self._text[comma:following]:
            return Edit(start, following, "")
        rest = self._text[comma : self._line_break(comma)[0]]
        return Edit(start, comma + len(rest) - len(rest.lstrip()), "")

    def remove_call(self, attribute: ast.Attribute, call: ast.Call) -> Edit | None:
        """Remove a method call from a chain; None if that would remove a comment."""
        inner, end = self.end(attribute.value), self.end(call)
        dot = inner + self.code_between(inner, self.end(attribute)).rindex(".")
        if "#" in self._text[dot:end]:
            return None
        return self._whole_lines(dot, end) or Edit(dot, end, "")

    def add_base_keyword(self, node: ast.ClassDef, text: str) -> tuple[Edit, ...]:
        """Append a keyword argument to a class statement that has bases."""
        last = max([*node.bases, *node.keywords], key=self.end, default=None)
        if last is None:
            return ()
        end = self.end(last)
        head = self.code_between(end, self.start(node.body[0]))
        return self._add_item(last, end + head.rindex(")", 0, head.index(":")), text)

    def _arguments(self, call: ast.Call) -> list[ast.expr | ast.keyword]:
        arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
        return sorted(arguments, key=self.start)

    def _add_item(self, last: ast.AST, close: int, text: str) -> tuple[Edit, ...]:
        """Append an item to a bracketed list, on a separate line if the last item is on one."""
        end, comma = self._item_end(last, close)
        line = self._line_start(self.start(last))
        indent = self._text[line : self.start(last)]
        if indent.strip() or "\n" not in self._text[comma:close]:
            return (Edit(end, end, f", {text}"),)
        here, _ = self._line_break(comma)
        edit = Edit(here, here, f"\n{indent}{text},")
        # This is a replacement: two insertions at one offset have no order, and fixes share them.
        return (edit,) if comma > end else (Edit(end - 1, end, f"{self._text[end - 1]},"), edit)

    def _item_end(self, node: ast.AST, following: int) -> tuple[int, int]:
        """The end of an item with the parentheses around it, and the end of the comma after it.

        Args:
            node: The item.
            following: The start of the next item, or of the closing bracket.
        """
        start = self.end(node)
        item, comma, _ = self.code_between(start, following).partition(",")
        end = start + item.rfind(")") + 1
        return end, start + len(item) + 1 if comma else end

    def _whole_lines(self, start: int, end: int) -> Edit | None:
        """Remove a range with its lines; None if the lines contain anything else."""
        first, (last, after) = self._line_start(start), self._line_break(end)
        if self._text[first:start].strip() or self._text[end:last].strip():
            return None
        return Edit(first, after, "")

    def _line_start(self, position: int) -> int:
        return max(self._text.rfind("\n", 0, position), self._text.rfind("\r", 0, position)) + 1

    def _line_break(self, position: int) -> tuple[int, int]:
        """The end of the line at a position, and the start of the next line."""
        line_break = LINE_BREAK.search(self._text, position)
        return line_break.span() if line_break is not None else (len(self._text), len(self._text))

    def local_name(self, module: str, name: str) -> tuple[str, tuple[Edit, ...]] | None:
        """The name of a library's object in this module, and the edits that import it if needed.

        None if the name refers to something else in the module.
        """
        wanted = lib.canonical(f"{module}.{name}")
        exports = self._module.summary.exports
        for local, path in exports.items():
            if local not in self._imported or local in self._bound:
                continue
            if path != DEFINITION and lib.canonical(path) == wanted:
                return local, ()
            if path == module and "." not in module:
                return f"{local}.{name}", ()
        taken = exports.get(name)
        if name in self._bound or (taken is not None and lib.canonical(taken) != wanted):
            return None
        if any(name in lib.STARS.get(star, ()) for star in self._module.summary.stars):
            return name, ()
        return name, self._import(module, name)

    @cached_property
    def _imported(self) -> frozenset[str]:
        """The names imported unconditionally, not inside ``if TYPE_CHECKING`` or ``try``."""
        return frozenset(
            alias.asname or alias.name.partition(".")[0]
            for statement in self._module.tree.body
            if isinstance(statement, ast.Import | ast.ImportFrom)
            for alias in statement.names
        )

    @cached_property
    def _bound(self) -> frozenset[str]:
        """The names of all parameters and variables in the module."""
        names = self._module.nodes(ast.Name)
        return frozenset(
            {name.id for name in names if not isinstance(name.ctx, ast.Load)}
            | {node.arg for node in self._module.nodes(ast.arg)}
        )

    def _import(self, module: str, name: str) -> tuple[Edit, ...]:
        imports = [
            statement
            for statement in self._module.tree.body
            if isinstance(statement, ast.Import | ast.ImportFrom)
            and getattr(statement, "module", None) != "__future__"
        ]
        for statement in imports:
            if (
                isinstance(statement, ast.ImportFrom)
                and statement.module == module
                and not statement.level
            ):
                if statement.names[0].name != "*":
                    return self._add_item(statement.names[-1], self._names_end(statement), name)
        line = f"from {module} import {name}\n"
        if imports:
            return (self._line_before(imports[0], line),)
        body = [
            statement
            for statement in top_level(self._module.tree.body)
            if not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
        ]
        if body and _is_docstring(body[0]) and len(body) > 1:
            body = body[1:]
        return (self._line_before(body[0], line),)

    def _names_end(self, node: ast.ImportFrom) -> int:
        """The offset of the bracket that closes the imported names, else of the statement's end."""
        end = self.end(node)
        return end - 1 if self._text[end - 1] == ")" else end

    def _line_before(self, statement: ast.stmt, line: str) -> Edit:
        decorators = getattr(statement, "decorator_list", [])
        first = decorators[0] if decorators else statement
        start = self.start(first) - (1 if decorators else 0)
        return Edit(start, start, line.replace("\n", f"\n{self._block.indent}"))


def _blank(comment: re.Match[str]) -> str:
    return " " * len(comment[0])


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
