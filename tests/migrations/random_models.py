"""Random models and random edits of them, to check properties of every history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal
from uuid import UUID

from colonnade import Field, SQLModel

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": (str, {}), "short": (str, {"max_length": 20}), "number": (int, {}),
    "bounded": (int, {"ge": 0, "le": 100_000}), "ratio": (float, {}), "flag": (bool, {}),
    "day": (date, {}), "moment": (datetime, {}), "clock": (time, {}), "span": (timedelta, {}),
    "key": (UUID, {}), "data": (bytes, {}), "tags": (list[str], {}), "extra": (dict[str, Any], {}),
    "state": (Literal["open", "it's"], {}), "grade": (Literal["a", "b", "c"], {}),
    "money": (Decimal, {"max_digits": 12, "decimal_places": 2}),
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "text": "x:y", "short": "50%", "number": 7, "bounded": 5, "ratio": 0.5, "flag": True,
    "day": date(2024, 1, 2), "moment": datetime(2024, 1, 2), "clock": time(1, 2),
    "span": timedelta(hours=1), "key": UUID(int=3), "data": b"\x00", "tags": ["a"],
    "extra": {"a": 1}, "state": "open", "grade": "a", "money": Decimal("1.50"),
}  # fmt: skip
NAMES = ("alpha", "order", "Group", "value_1", "user", "length", "kind")


@dataclass(frozen=True)
class Column:
    """A column of a random model."""

    kind: str
    nullable: bool
    default: bool
    index: bool

    def field(self) -> tuple[Any, Any]:
        """Return the column's annotation and field."""
        kind, options = KINDS[self.kind]
        more: dict[str, Any] = {**options, **({"index": True} if self.is_indexed else {})}
        if self.default or (self.nullable and self.kind in ("tags", "extra")):
            value = DEFAULTS[self.kind]
            more["default_factory"] = lambda: value
        elif self.nullable:
            more["default"] = None
        return (kind | None if self.nullable else kind), Field(**more)

    @property
    def is_indexed(self) -> bool:
        """Whether the column has an index; both databases cannot index JSON in the same way."""
        return self.index and self.kind not in ("tags", "extra")


Columns = Mapping[str, Column]


def random_column(random: Random) -> Column:
    """Return a random column."""
    chances = [random.random() < 0.4 for _ in range(3)]
    return Column(random.choice(list(KINDS)), *chances)


def random_columns(random: Random) -> dict[str, Column]:
    """Return the columns of a random model."""
    return {name: random_column(random) for name in random.sample(NAMES, random.randint(1, 4))}


def random_edit(random: Random, columns: Columns) -> tuple[dict[str, Column], dict[str, Any]]:
    """Return edited columns, and the choices that the change needs."""
    after = dict(columns)
    choices: dict[str, Any] = {}
    free = [name for name in NAMES if name not in after]
    chosen = random.choice(list(after))
    kinds = ["add", "drop", "nullable", "index", "rename"]
    match random.choice(kinds):
        case "add" if free:
            name = random.choice(free)
            after[name] = random_column(random)
            if not (after[name].nullable or after[name].default):
                after[name] = replace(after[name], default=True)
        case "drop" if len(after) > 1:
            del after[chosen]
            choices["aside"] = frozenset({f"thing.{chosen}"})
        case "nullable":
            after[chosen] = replace(
                after[chosen], nullable=not after[chosen].nullable, default=True
            )
        case "index":
            after[chosen] = replace(after[chosen], index=not after[chosen].index)
        case "rename" if free:
            name = random.choice(free)
            after = {name if key == chosen else key: column for key, column in after.items()}
            choices["renames"] = {f"thing.{chosen}": name}
    return after, choices


def define_model(columns: Columns) -> Callable[[], object]:
    """Return a function that defines a model with the columns."""

    def define() -> object:
        fields = {name: column.field() for name, column in columns.items()}
        body: dict[str, Any] = {name: field for name, (_, field) in fields.items()}
        body["id"] = Field(default=None, primary_key=True)
        kinds = {name: kind for name, (kind, _) in fields.items()}
        body |= {"__module__": __name__, "__annotations__": {"id": int | None, **kinds}}
        make: Any = type(SQLModel)
        return make("Thing", (SQLModel,), body, table=True)

    return define
