"""What each file reaches by its imports, as one hash: files that import each other share it."""

from collections.abc import Iterator, Mapping

from colonnade.lint.runner._cache import combine_hashes


def dependency_hashes(
    imports: Mapping[str, set[str]], content_hashes: Mapping[str, str]
) -> dict[str, str]:
    """For each file, the hash of its content and that of all it imports, however far.

    Args:
        direct: The files that each file imports.
        contents: The hash of each file's content.
    """
    hashes: dict[str, str] = {}
    for cycle in _import_cycles(imports):
        inside = set(cycle)
        exclude_known = {other for one in cycle for other in imports[one]} - inside
        parts = {f"in {one}": content_hashes[one] for one in cycle}
        whole = combine_hashes(parts | {f"to {other}": hashes[other] for other in exclude_known})
        for one in cycle:
            hashes[one] = combine_hashes({"": whole, one: content_hashes[one]})
    return hashes


def _import_cycles(imports: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """The groups of files that import each other, each after those that it imports.

    Tarjan's algorithm, without recursion: programs import deeper than Python recurses.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for start in imports:
        if start in number:
            continue
        waiting = [(start, iter(sorted(imports[start])))]
        number[start] = lowest[start] = len(number)
        path.append(start)
        on_path.add(start)
        while waiting:
            one, others = waiting[-1]
            for other in others:
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    path.append(other)
                    on_path.add(other)
                    waiting.append((other, iter(sorted(imports[other]))))
                    break
                if other in on_path:
                    lowest[one] = min(lowest[one], number[other])
            else:
                waiting.pop()
                if waiting:
                    above = waiting[-1][0]
                    lowest[above] = min(lowest[above], lowest[one])
                if lowest[one] == number[one]:
                    cycle = path[path.index(one) :]
                    del path[path.index(one) :]
                    on_path.difference_update(cycle)
                    yield cycle
