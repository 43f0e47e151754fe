"""The tables."""

from typing import Literal

from colonnade import Field, Timestamps


class Item(Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(min_length=1, max_length=200, index=True)
    description: str | None = None
    status: Literal["draft", "active", "archived"] = Field(default="draft", index=True)
