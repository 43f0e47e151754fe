"""The rules, one a file."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from colonnade.lint._rule import Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by its code."""
    found = []
    for module in iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        loaded = import_module(f"{__name__}.{module.name}")
        found += [
            one()
            for one in vars(loaded).values()
            if isinstance(one, type) and issubclass(one, Rule) and one.__module__ == loaded.__name__
        ]
    return tuple(sorted(found, key=lambda rule: rule.code))
