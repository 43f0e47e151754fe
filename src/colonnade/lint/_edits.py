"""Edits of a module's text: exact, so that comments and layout stay."""

import ast
from typing import Any

from colonnade.lint import _library as lib
from colonnade.lint._facts import DEFINITION, top_level
from colonnade.lint._findings import Edit
from colonnade.lint._modules import Module


class Editor:
    """Makes the edits of a module.

    Args:
        module: The module.
    """

    def __init__(self, module: Module) -> None:
        self._module = module
        self._piece = module.piece

    def start(self, node: ast.AST) -> int:
        """Where a node begins in the file."""
        place: Any = node  # an expression, a statement or a part of one: all have a place
        return self._piece.offset(place.lineno, place.col_offset)

    def end(self, node: ast.AST) -> int:
        """Where a node ends in the file."""
        place: Any = node
        return self._piece.offset(place.end_lineno, place.end_col_offset)

    def text(self, node: ast.AST) -> str:
        """A node as it is written."""
        return self._module.source.text[self.start(node) : self.end(node)]

    def replace(self, node: ast.AST, text: str) -> Edit:
        """Put something in a node's place."""
        return Edit(self.start(node), self.end(node), text)

    def before(self, node: ast.AST, text: str) -> Edit:
        """Put something in front of a node."""
        return Edit(self.start(node), self.start(node), text)

    def after(self, node: ast.AST, text: str) -> Edit:
        """Put something behind a node."""
        return Edit(self.end(node), self.end(node), text)

    def between(self, first: ast.AST, last: ast.AST, text: str) -> Edit:
        """Replace what stands between the ends of two nodes."""
        return Edit(self.end(first), self.end(last), text)

    def add_argument(self, call: ast.Call, text: str) -> Edit:
        """Give a call one argument more, at its end."""
        last = _last_argument(call)
        if last is None:
            return Edit(self.end(call) - 1, self.end(call) - 1, text)
        return self.after(last, f", {text}")

    def set_argument(self, call: ast.Call, name: str, value: str) -> Edit:
        """Give a call a keyword, or the keyword that it has another value."""
        for keyword in call.keywords:
            if keyword.arg == name:
                return self.replace(keyword.value, value)
        return self.add_argument(call, f"{name}={value}")

    def remove_argument(self, call: ast.Call, keyword: ast.keyword) -> Edit:
        """Take a keyword from a call, and the comma that goes with it."""
        given = sorted([*call.args, *call.keywords], key=self.start)
        place = given.index(keyword)
        if place > 0:
            return Edit(self.end(given[place - 1]), self.end(keyword), "")
        if len(given) > 1:
            return Edit(self.start(keyword), self.start(given[1]), "")
        return Edit(self.start(keyword), self.end(keyword), "")

    def add_base_keyword(self, node: ast.ClassDef, text: str) -> Edit | None:
        """Give a class statement one keyword more."""
        last = [*node.bases, *(keyword.value for keyword in node.keywords)]
        if not last:
            return None
        return self.after(max(last, key=self.end), f", {text}")

    def name_of(self, module: str, name: str) -> tuple[str, tuple[Edit, ...]] | None:
        """What something of a library is called here, and the edits that import it.

        None if the name is taken by something else.
        """
        wanted = lib.canonical(f"{module}.{name}")
        for local, path in self._module.facts.exports.items():
            if path != DEFINITION and lib.canonical(path) == wanted:
                return local, ()
            if path == module and "." not in module:
                return f"{local}.{name}", ()
        if name in self._module.facts.exports:
            return None
        if any(name in lib.STARS.get(star, ()) for star in self._module.facts.stars):
            return name, ()
        return name, (self._import(module, name),)

    def _import(self, module: str, name: str) -> Edit:
        imports = [
            one
            for one in self._module.tree.body
            if isinstance(one, ast.Import | ast.ImportFrom)
            and getattr(one, "module", None) != "__future__"
        ]
        for one in imports:
            if isinstance(one, ast.ImportFrom) and one.module == module and not one.level:
                if one.names[0].name != "*":
                    return self.after(one.names[-1], f", {name}")
        line = f"from {module} import {name}\n"
        if imports:
            return self._line_before(imports[0], line)
        body = [
            one
            for one in top_level(self._module.tree.body)
            if not (isinstance(one, ast.ImportFrom) and one.module == "__future__")
        ]
        if body and _is_docstring(body[0]) and len(body) > 1:
            body = body[1:]
        return self._line_before(body[0], line)

    def _line_before(self, statement: ast.stmt, line: str) -> Edit:
        decorators = getattr(statement, "decorator_list", [])
        first = decorators[0] if decorators else statement
        start = self.start(first) - (1 if decorators else 0)
        return Edit(start, start, line.replace("\n", f"\n{self._piece.indent}"))


def _last_argument(call: ast.Call) -> ast.expr | ast.keyword | None:
    given: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    ends = {one: (one.end_lineno or 0, one.end_col_offset or 0) for one in given}
    return max(given, key=ends.__getitem__, default=None)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
