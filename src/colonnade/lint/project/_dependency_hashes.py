"""What each file reaches by its imports, as one hash: files that import each other share it."""

from collections.abc import Iterator, Mapping

from colonnade.lint.runner._cache import combined


def reached_hashes(direct: Mapping[str, set[str]], contents: Mapping[str, str]) -> dict[str, str]:
    """For each file, the hash of its content and that of all it imports, however far.

    Args:
        direct: The files that each file imports.
        contents: The hash of each file's content.
    """
    hashes: dict[str, str] = {}
    for circle in _circles(direct):
        inside = set(circle)
        beyond = {other for member in circle for other in direct[member]} - inside
        parts = {f"in {member}": contents[member] for member in circle}
        whole = combined(parts | {f"to {other}": hashes[other] for other in beyond})
        for member in circle:
            hashes[member] = combined({"": whole, member: contents[member]})
    return hashes


def _circles(direct: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """The groups of files that import each other, each after those that it imports.

    Tarjan's algorithm, without recursion: programs import deeper than Python recurses.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for start in direct:
        if start in number:
            continue
        waiting = [(start, iter(sorted(direct[start])))]
        number[start] = lowest[start] = len(number)
        path.append(start)
        on_path.add(start)
        while waiting:
            module, others = waiting[-1]
            for other in others:
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    path.append(other)
                    on_path.add(other)
                    waiting.append((other, iter(sorted(direct[other]))))
                    break
                if other in on_path:
                    lowest[module] = min(lowest[module], number[other])
            else:
                waiting.pop()
                if waiting:
                    above = waiting[-1][0]
                    lowest[above] = min(lowest[above], lowest[module])
                if lowest[module] == number[module]:
                    circle = path[path.index(module) :]
                    del path[path.index(module) :]
                    on_path.difference_update(circle)
                    yield circle
