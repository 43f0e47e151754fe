"""Parsing JSON with decimals that have more digits than a float keeps."""

import json
import math
import re
from decimal import Decimal
from typing import Any

from pydantic_core import to_json


def load_json(body: bytes) -> Any:
    """Parse JSON, with a ``LongNumber`` for each number that a float does not represent exactly.

    Raises:
        ValueError: It is not JSON, or contains NaN or Infinity.
    """
    return json.loads(body, parse_float=_parse_number, parse_constant=_reject_constant)


class LongNumber(float):
    """A number in JSON that a float does not represent exactly.

    Attributes:
        text: The number as it was written.
    """

    text: str


def long_number_pattern(name: str) -> re.Pattern[bytes]:
    """A pattern for a JSON member that may need a ``LongNumber``: many digits, or an exponent.

    It starts with the literal name, which makes the search fast.
    """
    return re.compile(re.escape(to_json(name)) + rb"\s*:\s*-?(?:[0-9.]{16}|[0-9.]*[eE])")


def _parse_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    if Decimal(repr(number)) == Decimal(text):
        return number
    long = LongNumber(number)
    long.text = text
    return long


def _reject_constant(name: str) -> float:
    raise ValueError(name)
