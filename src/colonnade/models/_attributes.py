"""Attributes of mapped rows: tracked JSON, and lazy loading with helpful errors in async code."""

from typing import Any

from sqlalchemy import ARRAY, event
from sqlalchemy.orm import InstrumentedAttribute, LoaderCallableStatus, RelationshipProperty
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import PassiveFlag
from sqlalchemy.util.concurrency import in_greenlet

from colonnade.errors import LazyLoadError
from colonnade.models._json_types import JSONValue
from colonnade.models._tracking import Owner, is_tracked, track


class RowAttribute(InstrumentedAttribute[Any]):
    """SQLAlchemy's attribute, with a helpful error where async code cannot load it."""

    __slots__ = ()
    inherit_cache = True

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None or self.key in instance.__dict__:
            return super().__get__(instance, owner)
        state = instance_state(instance)
        if state.async_session is None or in_greenlet():
            return super().__get__(instance, owner)
        # Loads that need no SQL still work: the related row may be in the session already.
        value = self.impl.get(state, instance.__dict__, PassiveFlag.PASSIVE_NO_FETCH)
        if value is LoaderCallableStatus.PASSIVE_NO_RESULT:
            raise LazyLoadError(_advice(self, type(instance).__name__))
        return value


class JSONAttribute(RowAttribute):
    """An attribute whose value, once it has been read, reports changes inside it to the row."""

    __slots__ = ()
    inherit_cache = True

    def __get__(self, instance: Any, owner: Any) -> Any:
        value = super().__get__(instance, owner)
        if instance is None or is_tracked(value):
            return value
        tracked = instance.__dict__[self.key] = track(value, Owner(instance, self.key))
        return tracked


def _advice(attribute: RowAttribute, model: str) -> str:
    name = f"{model}.{attribute.key}"
    if isinstance(attribute.property, RelationshipProperty):
        return (
            f"{name} is not loaded, and async code cannot load it on access. Load it with the row: "
            f"select({model}).options(selectinload({name})), or "
            f'include=["{attribute.key}"] on a Resource. For a row you already have, use '
            f'await session.refresh(row, ["{attribute.key}"]).'
        )
    return (
        f"{name} is not loaded, and async code cannot load it on access. The query deferred it, or "
        f"a commit expired it (not in sessions of Database.session()). Load it first: "
        f'await session.refresh(row, ["{attribute.key}"]).'
    )


def install(base: type[Any]) -> None:
    """Use these attributes in every table that inherits from ``base``."""

    def instrument(model: type[Any], key: str, attribute: Any) -> None:
        if type(attribute) is not InstrumentedAttribute:
            return
        columns = getattr(attribute.property, "columns", ())
        is_json = any(isinstance(column.type, JSONValue | ARRAY) for column in columns)
        attribute.__class__ = JSONAttribute if is_json else RowAttribute

    event.listen(base, "attribute_instrument", instrument, propagate=True)
