"""What a comparison cannot know: whether a name is new or another's, and what old rows hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from colonnade.errors import MigrationError


class Asker(Protocol):
    """Somebody who can be asked: a person at a terminal."""

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Which of some answers is right, counted from 0."""

    def say(self, question: str, default: str | None = None) -> str:
        """An answer in words of one's own."""


@dataclass(frozen=True)
class Choices:
    """What was said beforehand.

    Attributes:
        renames: ``task.title`` to ``name``, ``tasks`` to ``task``.
        aside: Columns and tables that are not renamed, and are put aside.
        drops: Columns and tables to be dropped with what they hold.
        fills: What rows that are there get in a new column, by ``task.owner``.
        maps: What values become, by ``task.status``.
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
            MigrationError: It was not said, and there is nobody to ask; or what was said cannot
                be.
        """
        said = self.renames.get(old)
        if said is not None:
            new = said.rpartition(".")[2] if kind == "column" else said
            if new not in candidates:
                there = f": new are {', '.join(candidates)}" if candidates else ""
                raise MigrationError(f"--rename {old}:{said}: there is no new {kind} {new}{there}.")
            return new
        if old in self.aside or old in self.drops or not candidates:
            return None
        if self.asker is None:
            wished = " or ".join(f"--rename {old}:{new}" for new in candidates)
            raise MigrationError(
                f"The {kind} {old} is gone and {_names(candidates)} new. If it was renamed, say "
                f"{wished}; if it was not, --aside {old} keeps what it holds, and --drop {old} "
                "does not."
            )
        answers = [f"renamed to {new}" for new in candidates]
        answers += ["gone: put it aside, with what it holds", "gone: drop it, with what it holds"]
        number = self.asker.choose(f"The {kind} {old} is", answers)
        if number < len(candidates):
            return candidates[number]
        if number == len(candidates) + 1:
            object.__setattr__(self, "drops", self.drops | {old})
        return None

    def fill(self, column: str, why: str, default: str | None = None) -> str:
        """What rows that are there get in a column.

        Raises:
            MigrationError: It was not said, and there is nobody to ask.
        """
        if column in self.fills:
            return self.fills[column]
        if self.asker is None:
            raise MigrationError(
                f"{column} {why}, and has no default: say what rows that are there get, with "
                f"--fill {column}=VALUE, or give the field a default."
            )
        return self.asker.say(f"{column} {why}. Rows that are there get", default)

    def zone_of(self, columns: Sequence[str]) -> str:
        """The time zone that naive datetimes of some columns are in.

        Raises:
            MigrationError: It was not said, and there is nobody to ask; or there is no such zone.
        """
        if self.zone is not None:
            return self.zone
        if self.asker is None:
            raise MigrationError(
                f"{_names(columns)} without a time zone so far. Say in which the stored times are: "
                "--zone UTC, or --zone Europe/Berlin if that is what the servers' clocks showed."
            )
        zone = self.asker.say(f"{_names(columns)} without a time zone. Stored times are in", "UTC")
        _check_zone(zone)
        object.__setattr__(self, "zone", zone)
        return zone


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MigrationError(
            f"There is no time zone {zone!r}: UTC, Europe/Berlin are some."
        ) from None


def _names(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
