"""The databases that Colonnade speaks to."""

from typing import Literal

Backend = Literal["sqlite", "postgresql"]
"""The name of a database, which is also that of its SQLAlchemy dialect."""
