"""The arguments that a driver is called with, and how a URL's parameters were translated."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL


@dataclass(frozen=True)
class DriverConfig:
    """How one driver connects to the database.

    Attributes:
        url: SQLAlchemy's URL, without query parameters.
        connect_args: Further arguments of the driver's ``connect``.
        engine_args: Arguments of ``create_engine``.
    """

    url: URL
    connect_args: dict[str, Any] = field(default_factory=dict, repr=False)
    engine_args: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Parameter:
    """How one query parameter of the URL was translated.

    Attributes:
        name: Its name in the URL.
        value: Its value in the URL, or ``***`` for a secret.
        sync: The sync driver's option for it; None if it was dropped.
        asynchronous: The async driver's option for it; None if it was dropped.
        why: Why it was dropped or changed.

    Examples:
        ```python
        from colonnade.database import DatabaseURL

        url = DatabaseURL.parse("postgresql://host/db?connect_timeout=5&gssencmode=disable")
        for parameter in url.parameters:
            print(parameter.name, parameter.sync, parameter.asynchronous)
            # connect_timeout connect_timeout timeout
            # gssencmode gssencmode None
        ```
    """

    name: str
    value: str
    sync: str | None
    asynchronous: str | None
    why: str = ""
