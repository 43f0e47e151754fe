"""``Outage``: track whether a server can be reached."""

import logging
import time

from colonnade.database.connections._urls import DatabaseURL

logger = logging.getLogger("colonnade.database")


class Outage:
    """Tracks whether a server can be reached, and logs the start and end of an outage once.

    Args:
        url: The database.

    Attributes:
        demoted_at: When the server was last seen to refuse writes, by the monotonic clock.
            Connections opened before that lead to a former primary.
    """

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._began: float | None = None
        self.demoted_at = 0.0

    def note_failure(self, reason: str) -> None:
        """Note that an attempt to connect failed."""
        if self._began is None:
            self._began = time.monotonic()
            logger.warning("%s cannot be reached: %s. Retrying.", self.url, reason)

    def note_success(self) -> None:
        """Note that an attempt to connect succeeded."""
        if self._began is not None:
            lasted = time.monotonic() - self._began
            self._began = None
            logger.warning("%s can be reached again after %.1f s.", self.url, lasted)
