"""What values become that a column may no longer hold, forwards and back."""

from collections.abc import Mapping
from typing import Any

from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import listed
from colonnade.migrations.autogenerate._reflected import literals_in
from colonnade.migrations.operations import by_dialect


def values_in(condition: Any) -> list[str | int]:
    """The values that a CHECK lists, ``status IN ('open', 'done')``: texts or integers."""
    text = condition.texts["sqlite"] if isinstance(condition, by_dialect) else str(condition)
    return [
        literal[1:-1].replace("''", "'") if literal.startswith("'") else int(literal)
        for literal in literals_in(text)
        if literal.startswith("'") or literal.lstrip("-").isdigit()
    ]


def mapping_of(
    choices: Choices, table: str, column: str, old: Any, new: Any, *, going_back: bool
) -> tuple[str, Mapping[Any, Any]] | None:
    """What values of a column become when the CHECK that lists them says something else.

    Args:
        choices: What the values become, and whom to ask.
        table: The table.
        column: The column.
        old: The condition of the older CHECK, of the history.
        new: The condition of the newer, of the models.
        going_back: Whether the older comes back.

    Returns:
        The column and its mapping; None if no value becomes another.

    Raises:
        MigrationError: ``--map`` names a value that does not exist, or for a removed value
            there is no option and nobody to ask.
    """
    full = f"{table}.{column}"
    before, after = values_in(old), values_in(new)
    typed = {
        _typed(full, value, before, "had"): becomes and _typed(full, becomes, after, "has")
        for value, becomes in choices.mapped(full).items()
    }
    kept = dict(typed)
    for value in before:
        if value not in after and value not in typed:
            answers = list(map(str, after))
            answer = "" if going_back else choices.becomes(full, str(value), answers)
            kept[value] = answer and _typed(full, answer, after, "has")
            if not going_back:
                choices.remember(full, str(value), answer)
    mapping = {value: becomes for value, becomes in kept.items() if becomes != ""}
    if going_back:
        back: dict[Any, Any] = {}
        for value, becomes in mapping.items():
            if becomes not in before:  # else rows had it before as well
                back.setdefault(becomes, value)
        mapping = back
    return (column, mapping) if mapping else None


def _typed(full: str, value: str, known: list[str | int], had: str) -> str | int:
    """A value as its column holds it.

    Raises:
        MigrationError: It is not one of the known values.
    """
    match = next((candidate for candidate in known if str(candidate) == str(value)), None)
    if match is None:
        raise MigrationError(
            f"--map {full}: {full} {had} no value {value!r}, but {listed(map(str, known))}."
        )
    return match
