"""Baselines: files of known findings that are not reported again."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from colonnade.errors import CheckError
from colonnade.lint._findings import Finding

Key = tuple[str, str, str]


def read_baseline(path: Path) -> Counter[Key]:
    """Read a baseline: its findings, each with the number of occurrences.

    Raises:
        CheckError: The file does not exist, or is not a baseline.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Counter(
            {
                (entry["path"], entry["code"], entry["message"]): int(entry["count"])
                for entry in data["findings"]
            }
        )
    except FileNotFoundError:
        raise CheckError(
            f"The baseline {path} does not exist. Create it with --write-baseline {path}."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckError(f"{path} is not a baseline: {type(error).__name__}: {error}") from None


def write_baseline(path: Path, findings: Iterable[Finding], root: Path) -> int:
    """Write findings as a baseline.

    Returns:
        The number of findings.

    Raises:
        CheckError: The file cannot be written.
    """
    counted = Counter(_key(finding, root) for finding in findings)
    entries = [
        {"path": name, "code": code, "message": message, "count": count}
        for (name, code, message), count in sorted(counted.items())
    ]
    try:
        path.write_text(json.dumps({"findings": entries}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise CheckError(f"Could not write {path}: {error.strerror}") from None
    return sum(counted.values())


def exclude_known(
    findings: Iterable[Finding], known: Counter[Key], root: Path
) -> tuple[list[Finding], int]:
    """The findings that are not in the baseline, and the number of those that are.

    Lines and columns are ignored, so that code can move.
    """
    left = Counter(known)
    new = []
    count = 0
    for finding in findings:
        key = _key(finding, root)
        if left[key] > 0:
            left[key] -= 1
            count += 1
        else:
            new.append(finding)
    return new, count


def _key(finding: Finding, root: Path) -> Key:
    path = Path(finding.path).absolute()
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return name, finding.code, re.sub(r"\bline \d+", "line", finding.message)
