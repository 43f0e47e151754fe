"""``Outage``: what is known of whether a server can be reached."""

import logging
import time

from colonnade.database.connections._urls import DatabaseURL

logger = logging.getLogger("colonnade.database")


class Outage:
    """Whether a server can be reached, as far as is known; each change is logged once.

    Args:
        url: The database.

    Attributes:
        moved: When it was last seen that the server takes no writes any more, by the monotonic
            clock: connections from before lead to the wrong one.
    """

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._began: float | None = None
        self.moved = 0.0

    def failed(self, reason: str) -> None:
        """A try has failed."""
        if self._began is None:
            self._began = time.monotonic()
            logger.warning("Cannot reach %s: %s. Retrying.", self.url, reason)

    def ended(self) -> None:
        """A try has succeeded."""
        if self._began is not None:
            lasted = time.monotonic() - self._began
            self._began = None
            logger.warning("%s is available again after %.1f s.", self.url, lasted)
