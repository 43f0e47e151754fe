"""Tracks changes inside JSON values, so that they mark the row as changed.

When a value is first read from its row, its lists, dicts, sets and Pydantic models are replaced by
tracked copies that refer to the row. Every change notifies the row, so no values are compared. The
reference is weak, so the row is not kept alive.
"""

import weakref
from collections.abc import Callable, Iterable
from functools import wraps
from types import new_class
from typing import Any, SupportsIndex

from pydantic import BaseModel
from sqlalchemy.orm.attributes import flag_modified

from colonnade._owner_caches import cached_by_owner


class Owner:
    """The row and field that a JSON value is part of."""

    __slots__ = ("_key", "_row")

    def __init__(self, row: object, key: str) -> None:
        self._row = weakref.ref(row)
        self._key = key

    def changed(self) -> None:
        """Mark the field as changed, if the row still exists."""
        row = self._row()
        if row is not None and self._key in row.__dict__:
            flag_modified(row, self._key)


def track(value: Any, owner: Owner) -> Any:
    """A copy of ``value`` whose containers notify ``owner`` of changes."""
    if isinstance(value, dict):
        return TrackedDict.of(value, owner)
    if isinstance(value, list):
        return TrackedList.of(value, owner)
    if isinstance(value, set):
        return TrackedSet.of(value, owner)
    if type(value) in (tuple, TrackedTuple):
        return TrackedTuple(track(item, owner) for item in value)
    if isinstance(value, BaseModel):
        return _track_model(value, owner)
    return value


def is_tracked(value: object) -> bool:
    """Whether a value is tracked already, or cannot change."""
    if isinstance(value, dict | list | set):
        return isinstance(value, TrackedDict | TrackedList | TrackedSet)
    if isinstance(value, BaseModel):
        return hasattr(type(value), "__colonnade_tracked__")
    return type(value) is not tuple


def untracked(value: Any) -> Any:
    """A tracked model as an instance of its original class; any other value unchanged."""
    return _untracked_model(value) if isinstance(value, BaseModel) else value


class TrackedList(list[Any]):
    """A list that notifies its row of changes."""

    __slots__ = ("_owner",)
    _owner: Owner

    @classmethod
    def of(cls, value: Iterable[Any], owner: Owner) -> "TrackedList":
        """A tracked copy of ``value``, including nested containers."""
        tracked = cls(track(item, owner) for item in value)
        tracked._owner = owner
        return tracked

    def append(self, item: Any) -> None:
        super().append(track(item, self._owner))
        self._owner.changed()

    def extend(self, items: Iterable[Any]) -> None:
        super().extend([track(item, self._owner) for item in items])
        self._owner.changed()

    def insert(self, index: SupportsIndex, item: Any) -> None:
        super().insert(index, track(item, self._owner))
        self._owner.changed()

    def __setitem__(self, index: Any, item: Any) -> None:
        if isinstance(index, slice):
            item = [track(element, self._owner) for element in item]
        else:
            item = track(item, self._owner)
        super().__setitem__(index, item)
        self._owner.changed()

    def __iadd__(self, items: Iterable[Any]) -> "TrackedList":  # type: ignore[misc]  # list's overloads
        self.extend(items)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (list(self),)


class TrackedDict(dict[Any, Any]):
    """A dict that notifies its row of changes."""

    __slots__ = ("_owner",)
    _owner: Owner

    @classmethod
    def of(cls, value: dict[Any, Any], owner: Owner) -> "TrackedDict":
        """A tracked copy of ``value``, including nested containers."""
        tracked = cls((key, track(item, owner)) for key, item in value.items())
        tracked._owner = owner
        return tracked

    def __setitem__(self, key: Any, item: Any) -> None:
        super().__setitem__(key, track(item, self._owner))
        self._owner.changed()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, item in dict(*args, **kwargs).items():
            super().__setitem__(key, track(item, self._owner))
        self._owner.changed()

    def __ior__(self, other: Any) -> "TrackedDict":  # type: ignore[misc]  # dict's overloads
        self.update(other)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return dict, (dict(self),)


class TrackedSet(set[Any]):
    """A set that notifies its row of changes; its items are immutable."""

    __slots__ = ("_owner",)
    _owner: Owner

    @classmethod
    def of(cls, value: Iterable[Any], owner: Owner) -> "TrackedSet":
        """A tracked copy of ``value``."""
        tracked = cls(value)
        tracked._owner = owner
        return tracked

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return set, (set(self),)


class TrackedTuple(tuple[Any, ...]):
    """A tuple whose items notify their row of changes."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return tuple, (list(self),)


def _notifying(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method so that it notifies the row."""

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        self._owner.changed()
        return self if name.startswith("__i") else result

    return method


for _class, _names in (
    (TrackedList, "pop remove clear sort reverse __delitem__ __imul__"),
    (TrackedDict, "pop popitem clear __delitem__"),
    (
        TrackedSet,
        "add discard remove pop clear update difference_update intersection_update"
        " symmetric_difference_update __ior__ __iand__ __isub__ __ixor__",
    ),
):
    for _name in _names.split():
        setattr(_class, _name, _notifying(_name, getattr(_class.__base__, _name)))


_MODEL_SLOTS = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


def _track_model(value: BaseModel, owner: Owner) -> BaseModel:
    plain = _untracked_model(value)
    tracked_class = _tracked_class(type(plain))
    tracked = tracked_class.__new__(tracked_class)
    fields = {name: track(item, owner) for name, item in plain.__dict__.items()}
    object.__setattr__(tracked, "__dict__", fields)
    for slot in _MODEL_SLOTS:
        object.__setattr__(tracked, slot, getattr(plain, slot))
    if plain.__pydantic_extra__ is not None:
        extra = TrackedDict.of(plain.__pydantic_extra__, owner)
        object.__setattr__(tracked, "__pydantic_extra__", extra)
    object.__setattr__(tracked, "_colonnade_owner", owner)
    return tracked


def _untracked_model(value: BaseModel) -> BaseModel:
    """The model as an instance of its original class, sharing its values."""
    if not hasattr(type(value), "__colonnade_tracked__"):
        return value
    model: type[BaseModel] = type(value).__mro__[1]
    plain = model.__new__(model)
    for slot in ("__dict__", *_MODEL_SLOTS):
        object.__setattr__(plain, slot, getattr(value, slot))
    return plain


def _restore(model: type[BaseModel], state: dict[Any, Any]) -> BaseModel:
    """Unpickle a model as an instance of its original class."""
    restored = model.__new__(model)
    restored.__setstate__(state)
    return restored


@cached_by_owner
def _tracked_class(model: type[BaseModel]) -> type[BaseModel]:
    """A subclass of ``model`` whose instances notify their row of changes."""

    def notifying(method: str) -> Callable[..., None]:
        def change(self: Any, name: str, *value: Any) -> None:
            getattr(model, method)(self, name, *value)
            owner: Owner = self._colonnade_owner
            for values in (self.__dict__, self.__pydantic_extra__ or {}):
                if name in values:
                    dict.__setitem__(values, name, track(values[name], owner))
            owner.changed()

        return change

    def equal(self: Any, other: Any) -> bool:
        return bool(_untracked_model(self) == untracked(other))

    namespace = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "__slots__": ("_colonnade_owner",),
        "__colonnade_tracked__": True,
        "__setattr__": notifying("__setattr__"),
        "__delattr__": notifying("__delattr__"),
        "__eq__": equal,
        "__hash__": model.__hash__,
        "__copy__": lambda self: _untracked_model(self).__copy__(),
        "__deepcopy__": lambda self, memo=None: _untracked_model(self).__deepcopy__(memo),
        "__reduce_ex__": lambda self, _: (_restore, (model, _untracked_model(self).__getstate__())),
    }
    tracked: type[BaseModel] = new_class(
        model.__name__, (model,), {}, lambda body: body.update(namespace)
    )
    return tracked
