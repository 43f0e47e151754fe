"""The attributes of a mapped row: JSON that is tracked, and lazy loads that say what is wrong."""

from typing import Any

from sqlalchemy import ARRAY, event
from sqlalchemy.orm import InstrumentedAttribute, LoaderCallableStatus, RelationshipProperty
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import PassiveFlag
from sqlalchemy.util.concurrency import in_greenlet

from colonnade.errors import LazyLoadError
from colonnade.models._tracking import Owner, is_tracked, track
from colonnade.models._types import JSONValue


class RowAttribute(InstrumentedAttribute[Any]):
    """SQLAlchemy's attribute, with an error that helps where async code cannot load it."""

    __slots__ = ()
    inherit_cache = True

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None or self.key in instance.__dict__:
            return super().__get__(instance, owner)
        state = instance_state(instance)
        if state.async_session is None or in_greenlet():
            return super().__get__(instance, owner)
        # What needs no SQL (a row in the session already, say) is still answered.
        value = self.impl.get(state, instance.__dict__, PassiveFlag.PASSIVE_NO_FETCH)
        if value is LoaderCallableStatus.PASSIVE_NO_RESULT:
            raise LazyLoadError(_advice(self, type(instance).__name__))
        return value


class JSONAttribute(RowAttribute):
    """An attribute whose value tells the row of changes inside it, from its first reading on."""

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
            f"{name} was not loaded, and async code cannot load it when it is first read. Load "
            f"it with the row: select({model}).options(selectinload({name})), or "
            f'include=["{attribute.key}"] on a Resource; for a row you already have: '
            f'await session.refresh(row, ["{attribute.key}"]).'
        )
    return (
        f"{name} is not loaded (the query deferred it, or a commit expired it, which the sessions "
        f"of Database.session() do not let happen), and async code cannot load it when it is "
        f'read: await session.refresh(row, ["{attribute.key}"]) first.'
    )


def install(base: type[Any]) -> None:
    """Have every table below ``base`` use these attributes."""

    def instrument(model: type[Any], key: str, attribute: Any) -> None:
        if type(attribute) is not InstrumentedAttribute:
            return
        columns = getattr(attribute.property, "columns", ())
        is_json = any(isinstance(column.type, JSONValue | ARRAY) for column in columns)
        attribute.__class__ = JSONAttribute if is_json else RowAttribute

    event.listen(base, "attribute_instrument", instrument, propagate=True)
