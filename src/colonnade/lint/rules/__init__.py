"""The rules, one a file."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from colonnade.lint._rule import Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by its code."""
    rules = []
    for module in iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        loaded = import_module(f"{__name__}.{module.name}")
        rules += [
            var()
            for var in vars(loaded).values()
            if isinstance(var, type) and issubclass(var, Rule) and var.__module__ == loaded.__name__
        ]
    return tuple(sorted(rules, key=lambda rule: rule.code))
