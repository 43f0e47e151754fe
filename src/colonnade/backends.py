"""The supported databases."""

from typing import Literal

Backend = Literal["sqlite", "postgresql"]
"""The name of a database, the same as that of its SQLAlchemy dialect."""
