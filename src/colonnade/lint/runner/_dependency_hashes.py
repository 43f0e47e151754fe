"""One hash per file for its content and everything that it imports."""

from collections.abc import Iterator, Mapping

from colonnade.lint.runner._cache import combine_hashes


def dependency_hashes(
    imports: Mapping[str, set[str]], content_hashes: Mapping[str, str]
) -> dict[str, str]:
    """For each file, the hash of its content and of all files that it imports, however far.

    Args:
        imports: The files that each file imports.
        content_hashes: The hash of each file's content.
    """
    hashes: dict[str, str] = {}
    for cycle in _import_cycles(imports):
        members = set(cycle)
        imported = {other for member in cycle for other in imports[member]} - members
        parts = {f"in {member}": content_hashes[member] for member in cycle}
        cycle_hash = combine_hashes(parts | {f"to {other}": hashes[other] for other in imported})
        for member in cycle:
            hashes[member] = combine_hashes({"": cycle_hash, member: content_hashes[member]})
    return hashes


def _import_cycles(imports: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield the groups of files that import each other, each group after those that it imports.

    This is Tarjan's algorithm without recursion, since import chains can be longer than Python's
    recursion limit.
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
            file, others = waiting[-1]
            for other in others:
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    path.append(other)
                    on_path.add(other)
                    waiting.append((other, iter(sorted(imports[other]))))
                    break
                if other in on_path:
                    lowest[file] = min(lowest[file], number[other])
            else:
                waiting.pop()
                if waiting:
                    importer = waiting[-1][0]
                    lowest[importer] = min(lowest[importer], lowest[file])
                if lowest[file] == number[file]:
                    cycle = path[path.index(file) :]
                    del path[path.index(file) :]
                    on_path.difference_update(cycle)
                    yield cycle
