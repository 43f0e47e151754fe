"""The rules, one per file, in a folder per topic."""

from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from colonnade.lint._rule import Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule about code, sorted by code."""
    rules = []
    for module_info in walk_packages(__path__, f"{__name__}."):
        if module_info.ispkg or module_info.name.rpartition(".")[2].startswith("_"):
            continue
        module = import_module(module_info.name)
        rules += [
            member()
            for member in vars(module).values()
            if isinstance(member, type)
            and issubclass(member, Rule)
            and member.__module__ == module.__name__
        ]
    return tuple(sorted(rules, key=lambda rule: rule.code))
