"""What a driver is called with, and what became of a URL's parameter on the way."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL


@dataclass(frozen=True)
class Target:
    """One driver's way to the database.

    Attributes:
        url: SQLAlchemy's URL, without parameters.
        connect_args: What the driver's ``connect`` is given beside it.
        engine_args: What ``create_engine`` is given.
    """

    url: URL
    connect_args: dict[str, Any] = field(default_factory=dict, repr=False)
    engine_args: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Parameter:
    """What became of a parameter of the URL.

    Attributes:
        name: As it was written.
        value: As it was written, or ``***``.
        sync: Where it went for the sync driver; None if it was dropped.
        asynchronous: Where it went for the async driver; None if it was dropped.
        why: Why it was dropped or changed.
    """

    name: str
    value: str
    sync: str | None
    asynchronous: str | None
    why: str = ""
