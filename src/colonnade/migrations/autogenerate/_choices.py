"""Decisions that a comparison cannot make: what was renamed, and what existing rows get."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from colonnade.errors import MigrationError
from colonnade.migrations.operations._time_zones import check_zone


class Asker(Protocol):
    """Prompts for missing answers, on a terminal for example.

    Examples:
        ```python
        from collections.abc import Sequence

        from colonnade.migrations import Asker, Choices


        class FirstAnswer:
            def choose(self, question: str, answers: Sequence[str]) -> int:
                return 0

            def ask(self, question: str, default: str | None = None) -> str:
                return default or ""


        asker: Asker = FirstAnswer()
        choices = Choices(asker=asker)
        print(choices.renamed_to("column", "task.title", ["name"]))  # name
        ```
    """

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Return the index of the chosen answer.

        Args:
            question: The question.
            answers: The possible answers.

        Returns:
            The index of the answer in ``answers``.
        """

    def ask(self, question: str, default: str | None = None) -> str:
        """Return a free-text answer.

        Args:
            question: The question.
            default: The answer if the user enters nothing.

        Returns:
            The answer.
        """


@dataclass
class Choices:
    """The answers given in advance, by command-line options, and those given at a prompt.

    Attributes:
        renames: The new name for each old one: ``task.title`` to ``name``, ``tasks`` to ``task``.
        aside: The columns and tables to put aside.
        drops: The columns and tables to drop with their data.
        fills: The value for existing rows in a new column, by column: ``task.owner``.
        maps: The replacements for values, by column: ``task.status``. An empty replacement says
            that no row has the value.
        zone: The time zone of naive datetimes.
        asker: Prompts for missing answers; None raises an error instead.

    Examples:
        ```python
        from colonnade.migrations import Choices

        choices = Choices(
            renames={"task.title": "task.name"},
            fills={"task.owner": "nobody"},
            drops=frozenset({"task.legacy"}),
        )
        print(choices.fill("task.owner", "is new and NOT NULL"))  # nobody
        ```
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
            check_zone(self.zone)

    def renamed_to(self, kind: str, old: str, candidates: Sequence[str]) -> str | None:
        """Return the new name of a missing column or table; None if it was removed.

        Args:
            kind: ``column`` or ``table``.
            old: The old name, for a column with its table: ``task.title``.
            candidates: The new columns or tables that it may have been renamed to.

        Returns:
            The new name.

        Raises:
            MigrationError: The answer is missing and ``asker`` is None.
        """
        if old in self.aside or old in self.drops or not candidates:
            return None
        if self.asker is None:
            options = " or ".join(f"--rename {old}:{new}" for new in candidates)
            raise MigrationError(
                f"Cannot tell whether the {kind} {old} was renamed: the models no longer have it, "
                f"and {_names(candidates)} new. If it was renamed, pass {options}. If not, pass "
                f"--aside {old} to keep its data, or --drop {old} to delete it."
            )
        answers = [f"renamed to {new}" for new in candidates]
        answers += ["removed: put it aside and keep its data", "removed: drop it with its data"]
        number = self.asker.choose(f"The {kind} {old} is", answers)
        if number < len(candidates):
            return candidates[number]
        if number == len(candidates) + 1:
            self.drops |= {old}
        return None

    def fill(self, column: str, why: str, default: str | None = None) -> str:
        """Return the value for existing rows in a column.

        Args:
            column: The column, as ``task.owner``.
            why: Why a value is needed: ``is new and NOT NULL``.
            default: The default answer at the prompt.

        Returns:
            The value, as text.

        Raises:
            MigrationError: The value is missing and ``asker`` is None.
        """
        if column in self.fills:
            self._used.add(f"--fill {column}")
            return self.fills[column]
        if self.asker is None:
            raise MigrationError(
                f"{column} {why}, and has no default. Give existing rows a value with "
                f"--fill {column}=VALUE, or give the field a default."
            )
        return self.asker.ask(f"{column} {why}. Value for existing rows", default)

    def replacements_for(self, column: str) -> dict[str, str]:
        """Return the replacements given for a column's values.

        Args:
            column: The column, as ``task.status``.

        Returns:
            The replacement for each value; an empty one says that no row has the value.
        """
        if column in self.maps:
            self._used.add(f"--map {column}")
        return dict(self.maps.get(column, {}))

    def ask_replacement(self, column: str, value: str, allowed: Sequence[str]) -> str:
        """Ask for the replacement for a value that a column no longer allows.

        Args:
            column: The column, as ``task.status``.
            value: The value.
            allowed: The values that the column still allows.

        Returns:
            The replacement; an empty string if no row has the value.

        Raises:
            MigrationError: ``asker`` is None.
        """
        if self.asker is None:
            raise MigrationError(
                f"{column} can no longer be {value!r}. Give rows that have it another value with "
                f"--map {column}:{value}=VALUE, where VALUE is {_any_of(allowed)}. If no row has "
                f"it, pass --map {column}:{value}="
            )
        answers = [*(f"becomes {replacement}" for replacement in allowed), "is not in any row"]
        number = self.asker.choose(f"{column} can no longer be {value!r}. It", answers)
        return allowed[number] if number < len(allowed) else ""

    def remember(self, column: str, value: str, replacement: str) -> None:
        """Record an answer, which the downgrade needs as well.

        Args:
            column: The column, as ``task.status``.
            value: The value.
            replacement: The replacement for the value.
        """
        self.maps = {**self.maps, column: {**self.maps.get(column, {}), value: replacement}}
        self._used.add(f"--map {column}")

    def check_used(self, columns: Container[str]) -> None:
        """Refuse values and replacements that the revision does not use.

        Args:
            columns: The columns of the models, as ``task.status``.

        Raises:
            MigrationError: One was not used, because its name is misspelt for example.
        """
        options = [(f"--fill {column}", column) for column in self.fills]
        options += [(f"--map {column}", column) for column in self.maps]
        if self.zone is not None and "--zone" not in self._used:
            raise MigrationError(
                "--zone would have no effect: no column of this revision gets or loses a time "
                "zone. Remove the option."
            )
        for option, column in options:
            if option in self._used:
                continue
            if column not in columns:
                raise MigrationError(
                    f"{option}: the models have no column {column}. Give the name as table.column."
                )
            why = (
                "this revision neither adds the column nor makes it NOT NULL, so no row needs a "
                "value"
                if option.startswith("--fill")
                else "this revision does not change the column's allowed values"
            )
            raise MigrationError(f"{option} would have no effect: {why}. Remove the option.")

    def zone_of(self, columns: Sequence[str]) -> str:
        """Return the time zone of the naive datetimes in some columns.

        Args:
            columns: The columns, as ``task.due``.

        Returns:
            The IANA name of the time zone, such as ``Europe/Berlin``.

        Raises:
            MigrationError: The time zone is missing and ``asker`` is None, or it is unknown.
        """
        self._used.add("--zone")
        if self.zone is not None:
            return self.zone
        if self.asker is None:
            raise MigrationError(
                f"{_names(columns)} currently stored without a time zone. Specify the time zone of "
                "the stored values: --zone UTC, or --zone Europe/Berlin if the servers used local "
                "time."
            )
        zone = self.asker.ask(
            f"{_names(columns)} stored without a time zone. Time zone of the stored values", "UTC"
        )
        check_zone(zone)
        self.zone = zone
        return zone


def plain_name(name: str) -> str:
    """Return a column's name without its table, which may be left out."""
    return name.rpartition(".")[2]


def _any_of(values: Sequence[str]) -> str:
    return " or ".join(map(repr, values)) if values else "an allowed value"


def _names(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
