"""Replacements for values that a column no longer allows, for the upgrade and the downgrade."""

from collections.abc import Mapping
from typing import Any

from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import join_reprs
from colonnade.migrations.autogenerate._reflected import literals_in
from colonnade.migrations.operations import by_dialect


def values_in(condition: Any) -> list[str | int]:
    """Return the strings and integers that a CHECK lists: ``status IN ('open', 'done')``."""
    text = condition.texts["sqlite"] if isinstance(condition, by_dialect) else str(condition)
    return [
        literal[1:-1].replace("''", "'") if literal.startswith("'") else int(literal)
        for literal in literals_in(text)
        if literal.startswith("'") or literal.lstrip("-").isdigit()
    ]


def mapping_of(
    choices: Choices, table: str, column: str, old: Any, new: Any, *, going_back: bool
) -> tuple[str, Mapping[Any, Any]] | None:
    """Return the replacements for a column's values when the CHECK that lists them changes.

    Args:
        choices: The answers given in advance, and the prompt for the others.
        table: The table.
        column: The column.
        old: The condition of the CHECK in the history.
        new: The condition of the CHECK in the models.
        going_back: Whether the revision's downgrade is planned.

    Returns:
        The column and the replacement for each value; None if no value is replaced.

    Raises:
        MigrationError: A given value is not one that the column allows, or the replacement for a
            removed value is missing and ``choices.asker`` is None.
    """
    qualified_name = f"{table}.{column}"
    before, after = values_in(old), values_in(new)
    replacements = {
        _typed(qualified_name, value, before, "had"): (
            replacement and _typed(qualified_name, replacement, after, "has")
        )
        for value, replacement in choices.replacements_for(qualified_name).items()
    }
    for value in before:
        if value not in after and value not in replacements:
            answers = list(map(str, after))
            answer = (
                "" if going_back else choices.ask_replacement(qualified_name, str(value), answers)
            )
            replacements[value] = answer and _typed(qualified_name, answer, after, "has")
            if not going_back:
                choices.remember(qualified_name, str(value), answer)
    mapping = {
        value: replacement for value, replacement in replacements.items() if replacement != ""
    }
    if going_back:
        back: dict[Any, Any] = {}
        for value, replacement in mapping.items():
            if replacement not in before:  # otherwise rows may have had it before the upgrade
                back.setdefault(replacement, value)
        mapping = back
    return (column, mapping) if mapping else None


def _typed(column: str, value: str, allowed: list[str | int], verb: str) -> str | int:
    """Convert a value given as text to an allowed value of its column.

    Raises:
        MigrationError: The column does not allow it.
    """
    match = next((candidate for candidate in allowed if str(candidate) == str(value)), None)
    if match is None:
        raise MigrationError(
            f"--map {column}: {column} {verb} no value {value!r}. Use one of "
            f"{join_reprs(map(str, allowed))}."
        )
    return match
