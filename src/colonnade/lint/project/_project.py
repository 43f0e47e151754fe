"""Projects: modules that are parsed on demand, and the definitions that names refer to."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import TypeHint, read_annotation
from colonnade.lint.project._models import Model
from colonnade.lint.project._module_summary import dotted_path
from colonnade.lint.project._modules import FUNCTIONS, Function, Module
from colonnade.lint.project._names import SHADOWED, Names

Loader = Callable[[str], Module | None]


@dataclass(frozen=True)
class ModuleScope:
    """A module of a project, in which names are resolved."""

    project: "Project"
    module: Module

    def resolve(self, node: ast.expr) -> str:
        """The qualified name that an expression refers to; empty if it is not a name."""
        path = dotted_path(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            path = node.value if node.value.replace(".", "").isidentifier() else ""
        if not path:
            return ""
        name = self.project.names.resolve(path, self.module.name)
        if name == path and "." not in path:
            return self.project.resolve_class_name(path, self.module.name)
        return name

    def alias(self, name: str) -> "tuple[ast.expr, ModuleScope] | None":
        """The expression that a type alias stands for: ``Status = Literal[...]``."""
        definition = self.project.definition(name)
        if definition is None:
            return None
        statement, module = definition
        value = getattr(statement, "value", None)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(value, ast.expr):
            if not isinstance(value, ast.Subscript | ast.BinOp | ast.Name | ast.Attribute):
                return None
            return value, ModuleScope(self.project, module)
        if type(statement).__name__ == "TypeAlias" and isinstance(value, ast.expr):
            return value, ModuleScope(self.project, module)
        return None

    def hint(self, node: ast.expr | None) -> TypeHint:
        """The type hint that an annotation expresses."""
        return read_annotation(node, self)


def _is_ambiguous(statements: list[ast.stmt]) -> bool:
    """Whether a name has several definitions, one of which is a class or function."""
    kinds = {type(statement) for statement in statements}
    return len(statements) > 1 and (
        ast.ClassDef in kinds or (not kinds.isdisjoint(FUNCTIONS) and not kinds <= {*FUNCTIONS})
    )


def _is_overload(function: Function) -> bool:
    return any(
        dotted_path(decorator).rpartition(".")[2] == "overload"
        for decorator in function.decorator_list
    )


@dataclass
class Project:
    """The modules that are checked together.

    Attributes:
        names: Resolves names.
        load: Parses the module with a qualified name.
        requirements: The versions of packages that it requires, by the name of the package.
    """

    names: Names
    load: Loader
    requirements: Mapping[str, str] = field(default_factory=dict)
    _modules: dict[str, Module | None] = field(default_factory=dict)
    _models: dict[str, Model | None] = field(default_factory=dict)
    _classes_by_name: dict[str, list[str]] | None = None

    def module(self, name: str) -> Module | None:
        """The parsed module with a name; None if there is none or it cannot be parsed."""
        if name not in self._modules:
            self._modules[name] = self.load(name) if name in self.names.summaries else None
        return self._modules[name]

    def defining_module(self, name: str) -> Module | None:
        """The module that defines a qualified name."""
        prefix = name.rpartition(".")[0]
        while prefix:
            if prefix in self.names.summaries:
                return self.module(prefix)
            prefix = prefix.rpartition(".")[0]
        return None

    def definition(self, name: str) -> tuple[ast.stmt, Module] | None:
        """The statement that defines a name, and its module.

        None if the name has other definitions: a class with a fallback for a missing import, or a
        function that is wrapped later.
        """
        module = self.defining_module(name)
        if module is None:
            return None
        name = name[len(module.name) + 1 :]
        statement = module.definitions.get(name)
        if statement is None or _is_ambiguous(module.bindings.get(name, [])):
            return None
        return statement, module

    def function(self, name: str) -> tuple[Function, Module] | None:
        """The function or method with a qualified name, and its module."""
        definitions = self.function_definitions(name)
        return definitions[0] if definitions else None

    def function_definitions(self, name: str) -> list[tuple[Function, Module]]:
        """The definitions of a function or method; several if it is overloaded.

        The implementation comes before its overloads.
        """
        module = self.defining_module(name)
        if module is None:
            return []
        *owners, last = name[len(module.name) + 1 :].split(".")
        body: list[ast.stmt] = []
        if not owners and not _is_ambiguous(module.bindings.get(last, [])):
            body = module.bindings.get(last, [])
        elif len(owners) == 1:
            owner = module.definitions.get(owners[0])
            members = module.members(owner) if isinstance(owner, ast.ClassDef) else {}
            body = members.get(last, [])
            body = [] if _is_ambiguous(body) else body
        functions = [
            statement
            for statement in body
            if isinstance(statement, FUNCTIONS) and statement.name == last
        ]
        return [(definition, module) for definition in sorted(functions, key=_is_overload)]

    def called_function(self, name: str) -> tuple[Function, Module] | None:
        """The function or method that a qualified name calls, including inherited methods."""
        owner, _, method = name.rpartition(".")
        inherited = self.method(owner, method) if owner in self.names.bases else None
        return self.function(name) or inherited

    def overloads(self, function: Function, module: Module) -> list[Function]:
        """All definitions of a function, including its overloads."""
        return [
            definition
            for definition, _ in self.function_definitions(module.qualified_name(function))
        ] or [function]

    def method(self, name: str, method: str) -> tuple[Function, Module] | None:
        """The method of a class with a qualified name, including inherited methods."""
        for owner in (name, *self._ancestors(name)):
            function = self.function(f"{owner}.{method}")
            if function is not None:
                return function
        return None

    def model(self, name: str) -> Model | None:
        """The model with a qualified name; None if the class is not a model."""
        if name not in self._models:
            self._models[name] = None  # in case the class inherits from itself
            definition = self.definition(name) if name in self.names.bases else None
            if (
                definition is not None
                and isinstance(definition[0], ast.ClassDef)
                and self._is_model(name)
            ):
                self._models[name] = Model(name, definition[0], ModuleScope(self, definition[1]))
        return self._models[name]

    def ancestry(self, name: str) -> frozenset[str]:
        """The qualified names of all ancestors of a class.

        Colonnade's mixins count as Colonnade's SQLModel.
        """
        ancestors = set(self._ancestors(name))
        if any(ancestor.startswith("colonnade.") for ancestor in ancestors):
            ancestors.add(lib.COLONNADE_MODEL)
        if any(self._declares_base(ancestor) for ancestor in (name, *ancestors)):
            ancestors.add(lib.DECLARATIVE)
        return frozenset(ancestors)

    def resolve_class_name(self, class_name: str, near: str) -> str:
        """The qualified name of the only class with a name; the name itself if there are several.

        Quoted annotations may use a name that is not imported at run time: SQLModel looks it up
        among all classes.
        """
        if self._classes_by_name is None:
            self._classes_by_name = {}
            for module, name in self.names.classes():
                if SHADOWED in module:
                    continue
                self._classes_by_name.setdefault(name, []).append(f"{module}.{name}")
        candidates = self._classes_by_name.get(class_name, [])
        tables = [candidate for candidate in candidates if candidate in self.names.tables]
        document = near.partition("#")[0]
        for group in (candidates, tables):
            beside = [candidate for candidate in group if candidate.startswith(f"{document}#")]
            if len(beside) == 1:
                return beside[0]
            if len(group) == 1:
                return group[0]
        return class_name

    def _ancestors(self, name: str) -> list[str]:
        ancestors: list[str] = []
        waiting = list(self.names.bases.get(name, ()))
        while waiting:
            base = waiting.pop(0)
            if base not in ancestors:
                ancestors.append(base)
                waiting += self.names.bases.get(base, ())
        return ancestors

    def _is_model(self, name: str) -> bool:
        roots = {lib.SQLMODEL, lib.COLONNADE_MODEL, lib.PYDANTIC_MODEL, lib.DECLARATIVE}
        return not roots.isdisjoint(self.ancestry(name))

    def _declares_base(self, name: str) -> bool:
        """Whether a name is assigned ``declarative_base()``."""
        if name in self.names.bases:
            return False
        definition = self.definition(name)
        if definition is None or not isinstance(definition[0], ast.Assign):
            return False
        value = definition[0].value
        return isinstance(value, ast.Call) and (
            ModuleScope(self, definition[1]).resolve(value.func) == lib.DECLARATIVE_BASE
        )
