"""What a comparison cannot know: whether a name is new or another's, and what old rows hold."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from colonnade.errors import MigrationError


class Asker(Protocol):
    """Somebody who can be asked: a person at a terminal."""

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Which of some answers is right, counted from 0."""

    def say(self, question: str, default: str | None = None) -> str:
        """An answer as free text."""


@dataclass
class Choices:
    """What the options of a command decided; answers at a terminal are added to it.

    Attributes:
        renames: ``task.title`` to ``name``, ``tasks`` to ``task``.
        aside: Columns and tables that are not renamed, and are put aside.
        drops: Columns and tables to be dropped with what they hold.
        fills: What rows that are there get in a new column, by ``task.owner``.
        maps: What values become, by ``task.status``; empty: no row has the value.
        zone: The time zone that naive datetimes are in.
        asker: Whom to ask what was not said; None: nobody.
    """

    renames: Mapping[str, str] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()
    fills: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    zone: str | None = None
    asker: Asker | None = None
    _used: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.zone is not None:
            _check_zone(self.zone)

    def renamed_to(self, kind: str, old: str, candidates: Sequence[str]) -> str | None:
        """What something that is gone is called now; None if it is gone.

        Args:
            kind: ``column`` or ``table``.
            old: Its name, a column's with its table: ``task.title``.
            candidates: What is new beside it.

        Raises:
            MigrationError: It was not said, and there is nobody to ask.
        """
        if old in self.aside or old in self.drops or not candidates:
            return None
        if self.asker is None:
            wished = " or ".join(f"--rename {old}:{new}" for new in candidates)
            raise MigrationError(
                f"The {kind} {old} was removed and {_names(candidates)} new. If it was "
                f"renamed, use {wished}. Otherwise, use --aside {old} to keep its data or "
                f"--drop {old} to drop it."
            )
        answers = [f"renamed to {new}" for new in candidates]
        answers += ["removed: put it aside with its data", "removed: drop it with its data"]
        number = self.asker.choose(f"The {kind} {old} is", answers)
        if number < len(candidates):
            return candidates[number]
        if number == len(candidates) + 1:
            self.drops |= {old}
        return None

    def fill(self, column: str, why: str, default: str | None = None) -> str:
        """What rows that are there get in a column.

        Raises:
            MigrationError: It was not said, and there is nobody to ask.
        """
        if column in self.fills:
            self._used.add(f"--fill {column}")
            return self.fills[column]
        if self.asker is None:
            raise MigrationError(
                f"{column} {why}, and has no default. Give existing rows a value with "
                f"--fill {column}=VALUE, or give the field a default."
            )
        return self.asker.say(f"{column} {why}. Existing rows get", default)

    def mapped(self, column: str) -> dict[str, str]:
        """The ``--map`` options of a column."""
        if column in self.maps:
            self._used.add(f"--map {column}")
        return dict(self.maps.get(column, {}))

    def becomes(self, column: str, value: str, left: Sequence[str]) -> str:
        """What a value becomes that a column may no longer hold; empty: no row has it.

        Args:
            column: The column, as ``task.status``.
            value: The value.
            left: Those that it may hold now.

        Raises:
            MigrationError: There is nobody to ask.
        """
        if self.asker is None:
            raise MigrationError(
                f"{column} can no longer be {value!r}. Specify its replacement: "
                f"--map {column}:{value}=VALUE, where VALUE is {_any_of(left)}. If no row has "
                f"it, use --map {column}:{value}="
            )
        answers = [*(f"becomes {value}" for value in left), "is in no row"]
        number = self.asker.choose(f"{column} can no longer be {value!r}. It", answers)
        return left[number] if number < len(left) else ""

    def remember(self, column: str, value: str, becomes: str) -> None:
        """Keep an answer, for the way back."""
        known = {**self.maps, column: {**self.maps.get(column, {}), value: becomes}}
        self.maps = known
        self._used.add(f"--map {column}")

    def check_used(self, columns: Container[str]) -> None:
        """Check that every ``--fill`` and ``--map`` was used.

        Args:
            columns: The columns of the models, as ``task.status``.

        Raises:
            MigrationError: One is not, as where a name is misspelt.
        """
        options = [(f"--fill {name}", name) for name in self.fills]
        options += [(f"--map {name}", name) for name in self.maps]
        for option, column in options:
            if option in self._used:
                continue
            if column not in columns:
                raise MigrationError(
                    f"{option}: the models have no column {column}. Name it as table.column."
                )
            why = (
                "it is neither new nor NOT NULL since this revision, so that no row needs a value"
                if option.startswith("--fill")
                else "this revision does not change which values it may hold"
            )
            raise MigrationError(f"{option} would do nothing: {why}. Leave it out.")

    def zone_of(self, columns: Sequence[str]) -> str:
        """The time zone that naive datetimes of some columns are in.

        Raises:
            MigrationError: It was not said, and there is nobody to ask; or there is no such zone.
        """
        if self.zone is not None:
            return self.zone
        if self.asker is None:
            raise MigrationError(
                f"{_names(columns)} without a time zone so far. Specify the time zone of the "
                "stored values: --zone UTC, or --zone Europe/Berlin if that is what the servers' "
                "clocks showed."
            )
        zone = self.asker.say(f"{_names(columns)} without a time zone. Stored times are in", "UTC")
        _check_zone(zone)
        self.zone = zone
        return zone


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MigrationError(
            f"Unknown time zone {zone!r}. Use an IANA name such as UTC or Europe/Berlin."
        ) from None


def plain_name(name: str) -> str:
    """A column's name without its table's, as either may be given."""
    return name.rpartition(".")[2]


def _any_of(values: Sequence[str]) -> str:
    return " or ".join(map(repr, values)) if values else "a value that it may hold"


def _names(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
