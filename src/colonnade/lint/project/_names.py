"""Resolution of names across a project: aliases, re-exports, ``import *``, relative imports."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._module_summary import DEFINITION, Inclusion, ModuleSummary

DEPTH = 12  # of re-exports; more is a cycle
SHADOWED = "~"  # marks the name of a module that another one hides: `queries.py` beside `queries/`


class Names:
    """Resolves names with the summaries of all modules.

    The qualified name of a module is its path from the project's root, with dots. ``from
    app.models import Task`` in ``backend/app/api.py`` means ``backend.app.models.Task``: among the
    modules whose path ends with the imported one, the nearest to the importing module.

    Args:
        summaries: The summary of each module, by qualified name.
        packages: The names of modules that are an ``__init__``.
        previous_blocks: For a Markdown block or notebook cell, the one before, whose names it sees.
    """

    def __init__(
        self,
        summaries: Mapping[str, ModuleSummary],
        packages: Iterable[str] = (),
        previous_blocks: Mapping[str, str] | None = None,
    ) -> None:
        self.summaries = summaries
        self.packages = frozenset(packages)
        self.previous_blocks = previous_blocks or {}
        self._known: dict[tuple[str, str], str] = {}
        self._imports: dict[str, frozenset[str]] = {}
        self._endings: dict[str, list[str]] = defaultdict(list)
        for name in summaries:
            if "#" in name or SHADOWED in name:  # no import refers to these
                continue
            parts = name.split(".")
            for start in range(len(parts)):
                # Inside a package, a module is imported through the package.
                if start == 0 or ".".join(parts[:start]) not in self.packages:
                    self._endings[".".join(parts[start:])].append(name)

    def package(self, module: str) -> str:
        """The package that a module's relative imports start from."""
        module = module.partition("#")[0]
        name = module.partition(SHADOWED)[0]
        return name if module in self.packages else name.rpartition(".")[0]

    def resolve(self, path: str, near: str) -> str:
        """The qualified name that a dotted path refers to in a module.

        Args:
            path: The path, as spelled in the module.
            near: The module.
        """
        key = (path, near)
        if key not in self._known:
            self._known[key] = self._resolve(path, near, 0)
        return self._known[key]

    def imported(self, path: str, near: str) -> str:
        """The qualified name of an imported dotted path, whatever names the module defines."""
        return self._absolute(path, near, 0)

    def imports(self, module: str) -> frozenset[str]:
        """The project's modules that a module imports, with their parent packages."""
        if module in self._imports:
            return self._imports[module]
        imported: set[str] = set()
        summary = self.summaries.get(module)
        for path in summary.imports if summary else ():
            parts = path.split(".")
            for size in range(len(parts), 0, -1):
                imported_module = self._module(".".join(parts[:size]), module)
                if imported_module is not None:
                    imported.add(imported_module)
        if module in self.previous_blocks:
            imported.add(self.previous_blocks[module])
        self._imports[module] = frozenset(imported - {module})
        return self._imports[module]

    @cached_property
    def imported_modules(self) -> frozenset[str]:
        """The modules that other modules of the project import."""
        return frozenset().union(*map(self.imports, self.summaries))

    def classes(self) -> Iterable[tuple[str, str]]:
        """Yield the module and the name of each class."""
        for module, summary in self.summaries.items():
            for name in summary.classes:
                yield module, name

    @cached_property
    def bases(self) -> dict[str, tuple[str, ...]]:
        """The qualified names of each class's bases."""
        return {
            f"{module}.{name}": tuple(
                self.resolve(base, module) for base in self.summaries[module].classes[name].bases
            )
            for module, name in self.classes()
        }

    @cached_property
    def subclasses(self) -> dict[str, frozenset[str]]:
        """The direct and indirect subclasses of each class."""
        subclasses: dict[str, set[str]] = defaultdict(set)
        for name in self.bases:
            for ancestor in self._ancestors(name):
                subclasses[ancestor].add(name)
        return {ancestor: frozenset(names) for ancestor, names in subclasses.items()}

    @cached_property
    def tables(self) -> frozenset[str]:
        """The classes with ``table=True``."""
        return frozenset(
            f"{module}.{name}"
            for module, summary in self.summaries.items()
            for name, cls in summary.classes.items()
            if cls.table
        )

    @cached_property
    def queried(self) -> frozenset[str]:
        """The classes that are selected, fetched or changed anywhere in the project."""
        return frozenset(
            self.resolve(path, module)
            for module, summary in self.summaries.items()
            for path in summary.queried
        )

    @cached_property
    def dependencies(self) -> dict[str, bool]:
        """The dependencies, each with whether all uses of it have ``scope="function"``."""
        dependencies: dict[str, bool] = {}
        for module, summary in self.summaries.items():
            for path, early in summary.depends:
                name = self.resolve(path, module)
                dependencies[name] = dependencies.get(name, True) and early
        return dependencies

    @cached_property
    def resources(self) -> frozenset[str]:
        """Colonnade's Resource and its subclasses."""
        return self.subclasses.get(lib.RESOURCE, frozenset()) | {lib.RESOURCE}

    @cached_property
    def scopes(self) -> dict[str, str]:
        """The tables that a Resource declares a scope of, each with the scope's dependency."""
        scopes: dict[str, str] = {}
        for module, summary in self.summaries.items():
            for call, model, path in summary.scopes:
                scope = self.resolve(path, module)
                if scope != lib.UNSCOPED and self.resolve(call, module) in self.resources:
                    scopes[self.resolve(model, module)] = scope
        return scopes

    @cached_property
    def inclusions(self) -> dict[str, list[Inclusion]]:
        """The inclusions of each router, with qualified names."""
        inclusions: dict[str, list[Inclusion]] = defaultdict(list)
        for module, summary in self.summaries.items():
            for around, router, prefix, dependencies in summary.inclusions:
                name = self.resolve(router, module)
                outer = self.resolve(around, module)
                names = tuple(path and self.resolve(path, module) for path in dependencies)
                inclusions[name].append((outer, name, prefix, names))
        return inclusions

    def inclusions_of(self, router: str) -> list[Inclusion]:
        """The inclusions of a router, of the routers that include it, and so on."""
        inclusions: list[Inclusion] = []
        waiting = [router]
        while waiting:
            for inclusion in self.inclusions.get(waiting.pop(), ()):
                if inclusion not in inclusions:
                    inclusions.append(inclusion)
                    waiting.append(inclusion[0])
        return inclusions

    @cached_property
    def expiring(self) -> bool | None:
        """Whether rows expire when an async session commits; None if factories disagree."""
        settings = {expires for summary in self.summaries.values() for expires in summary.expiring}
        return settings.pop() if len(settings) == 1 else None

    @cached_property
    def migrated(self) -> bool:
        """Whether the project has migrations."""
        return any(summary.migrations for summary in self.summaries.values())

    def _ancestors(self, name: str) -> set[str]:
        ancestors: set[str] = set()
        waiting = list(self.bases.get(name, ()))
        while waiting:
            base = waiting.pop()
            if base not in ancestors:
                ancestors.add(base)
                waiting += self.bases.get(base, ())
        return ancestors

    def _resolve(self, path: str, near: str, depth: int) -> str:
        first, _, remaining = path.partition(".")
        if depth > DEPTH or not first:
            return path
        module: str | None = near
        while module is not None:  # a block also sees the blocks before it
            summary = self.summaries.get(module)
            target = summary.exports.get(first) if summary else None
            if target == DEFINITION:
                return f"{module}.{path}"
            if target is not None and target != first:
                return self._absolute(
                    f"{target}.{remaining}" if remaining else target, module, depth + 1
                )
            module = self.previous_blocks.get(module) if target is None else None
        return self._starred(path, near, depth) or self._absolute(path, near, depth)

    def _absolute(self, path: str, near: str, depth: int) -> str:
        """Resolve an imported path, ignoring names that the importing module defines."""
        if depth > DEPTH or path.partition(".")[0] in lib.ROOTS:
            return lib.canonical(path)
        return self._imported(path, near, depth) or path

    def _imported(self, path: str, near: str, depth: int) -> str | None:
        parts = path.split(".")
        for size in range(len(parts), 0, -1):
            module = self._module(".".join(parts[:size]), near)
            if module is None:
                continue
            if size == len(parts):
                return module
            return self._member(module, parts[size:], depth + 1)
        return None

    def _member(self, module: str, remaining: list[str], depth: int) -> str:
        name = remaining[0]
        summary = self.summaries[module]
        if name in summary.exports and depth <= DEPTH:
            target = summary.exports[name]
            if target == DEFINITION:
                return f"{module}.{'.'.join(remaining)}"
            return self._absolute(".".join([target, *remaining[1:]]), module, depth + 1)
        path = ".".join(remaining)
        return self._starred(path, module, depth) or f"{module}.{path}"

    def _starred(self, path: str, near: str, depth: int) -> str | None:
        """Resolve a name through ``import *``, visiting each module once."""
        first = path.partition(".")[0]
        visited = [near]
        for module in visited:
            summary = self.summaries.get(module)
            for star in summary.stars if summary and depth <= DEPTH else ():
                if first in lib.STARS.get(star, ()):
                    return lib.canonical(f"{star}.{path}")
                other = self._module(star, module)
                if other is None or other in visited:
                    continue
                if first in self.summaries[other].exports:
                    return self._member(other, path.split("."), depth + 1)
                visited.append(other)
        return None

    def _module(self, path: str, near: str) -> str | None:
        candidates = self._endings.get(path)
        if not candidates:
            return None
        return max(candidates, key=lambda name: (_common_parts(name, near), -len(name)))


def _common_parts(left_name: str, right_name: str) -> int:
    """The number of leading parts that two dotted names share."""
    count = 0
    for left, right in zip(left_name.split("."), right_name.split("."), strict=False):
        if left != right:
            break
        count += 1
    return count
