"""``cached_by_owner``: caches what is derived from a class or an object as its attribute."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

PREFIX = "__colonnade_"
"""The prefix of the names of the attributes."""

OwnerT = TypeVar("OwnerT")
ResultT = TypeVar("ResultT")


def cached_by_owner(derive: Callable[[OwnerT], ResultT]) -> Callable[[OwnerT], ResultT]:
    """Call a function once for each argument, and keep the result as an attribute of the argument.

    Results refer to their arguments, so even a mapping with weak keys would keep all arguments in
    memory. An attribute is collected with its object, which matters to a test suite with thousands
    of models.

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
