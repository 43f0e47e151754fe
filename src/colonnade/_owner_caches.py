"""``cached_by_owner``: what is derived from a class or an object, kept by that object itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

_PREFIX = "__colonnade_"

OwnerT = TypeVar("OwnerT")
ResultT = TypeVar("ResultT")


def cached_by_owner(derive: Callable[[OwnerT], ResultT]) -> Callable[[OwnerT], ResultT]:
    """Call a function once for each argument, and keep the result as an attribute of the argument.

    Results refer to their arguments, so that a mapping would keep all of them in memory, even a
    weak one. An attribute is collected with its object: a test suite defines thousands of models.

    Args:
        derive: The function of a class or of an object with a ``__dict__``. A subclass has its own
            result.
    """
    name = f"{_PREFIX}{derive.__name__.strip('_')}__"

    @wraps(derive)
    def cached(owner: OwnerT) -> ResultT:
        result: ResultT
        try:
            result = owner.__dict__[name]
        except (KeyError, AttributeError):  # the second for an argument that ``derive`` refuses
            result = derive(owner)
            # Not through the metaclass of a model, which makes columns of some values.
            set_attribute: Any = type.__setattr__ if isinstance(owner, type) else object.__setattr__
            set_attribute(owner, name, result)
        return result

    return cached


def forget(owner: object) -> None:
    """Delete what an object keeps, for tests that share it."""
    for name in [name for name in vars(owner) if name.startswith(_PREFIX)]:
        del owner.__dict__[name]
