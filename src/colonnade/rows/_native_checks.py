"""What values of PostgreSQL's arrays and addresses must pass before they are stored."""

from collections.abc import Callable, Collection
from typing import Any

from pydantic import ValidationError


def check_address(value: Any) -> Any:
    """The address, if PostgreSQL can store it."""
    if getattr(value, "scope_id", None) is not None:
        raise ValueError("An address in the database cannot have a scope id, such as %eth0")
    return value


def items_check(check: Callable[[Any], Any] | None) -> Callable[[Any], list[Any]]:
    """A function that checks the items of an array, which may be arrays of equal lengths.

    Args:
        check: What an item must pass; None if every item can be stored.
    """

    def checked(values: Collection[Any]) -> list[Any]:
        items = list(values)
        if check is not None:
            items = [_checked(check, index, item) for index, item in enumerate(items)]
        _require_equal_lengths(items)
        return items

    return checked


def _checked(check: Callable[[Any], Any], index: int, item: Any) -> Any:
    try:
        return None if item is None else check(item)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"Item {index}: {message}") from None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Item {index}: {error}") from None


def _require_equal_lengths(items: list[Any]) -> None:
    """Refuse arrays of arrays that PostgreSQL cannot store.

    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    if not any(isinstance(item, list | tuple) for item in items):
        return
    lengths = {len(item) if isinstance(item, list | tuple) else None for item in items}
    if len(lengths) > 1 or lengths == {0}:
        raise ValueError("The arrays in an array must have the same length, and not be empty")
