"""What is known to be wrong and is not told again: for projects that begin with many findings."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from colonnade.errors import CheckError
from colonnade.lint._findings import Finding

Key = tuple[str, str, str]


def read_baseline(path: Path) -> Counter[Key]:
    """The findings of a baseline, and how often each is there.

    Raises:
        CheckError: There is none, or it is none of ours.
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
        raise CheckError(f"There is no {path}; write it with --write-baseline.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckError(f"{path} is no baseline: {type(error).__name__} {error}") from None


def write_baseline(path: Path, findings: Iterable[Finding], root: Path) -> int:
    """Write what is found as what is known.

    Returns:
        How many findings that is.

    Raises:
        CheckError: It cannot be written.
    """
    counted = Counter(_key(finding, root) for finding in findings)
    entries = [
        {"path": name, "code": code, "message": message, "count": count}
        for (name, code, message), count in sorted(counted.items())
    ]
    try:
        path.write_text(json.dumps({"findings": entries}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise CheckError(f"Cannot write {path}: {error.strerror}") from None
    return sum(counted.values())


def exclude_known(
    findings: Iterable[Finding], known: Counter[Key], root: Path
) -> tuple[list[Finding], int]:
    """What is found and not known, and how much was known.

    Lines and columns do not count: code that moves is still known.
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
