"""``cached_by_owner``: what is derived from a class or an object, kept by that object itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

PREFIX = "__colonnade_"
"""What the names of the attributes begin with."""

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
    name = f"{PREFIX}{derive.__name__.strip('_')}__"

    @wraps(derive)
    def cached(owner: OwnerT) -> ResultT:
        # An argument without attributes is one that ``derive`` refuses.
        if name not in getattr(owner, "__dict__", ()):
            # Not through the metaclass of a model, which makes columns of some values.
            set_attribute: Any = type.__setattr__ if isinstance(owner, type) else object.__setattr__
            set_attribute(owner, name, derive(owner))
        result: ResultT = owner.__dict__[name]
        return result

    return cached
