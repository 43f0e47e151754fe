"""The hashes of files and of everything that they import."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from colonnade.lint.runner._dependency_hashes import dependency_hashes

FILES = "abcdefg"
GRAPHS = st.fixed_dictionaries({name: st.sets(st.sampled_from(FILES)) for name in FILES})


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen = {start}
    waiting = [start]
    while waiting:
        for other in graph[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


@given(GRAPHS, st.sampled_from(FILES))
def test_a_change_alters_the_hash_of_every_file_that_imports_it_and_no_other(
    graph: dict[str, set[str]], changed: str
) -> None:
    contents = dict.fromkeys(FILES, "same")
    before = dependency_hashes(graph, contents)
    after = dependency_hashes(graph, contents | {changed: "other"})
    differ = {name for name in FILES if before[name] != after[name]}
    assert differ == {name for name in FILES if changed in reachable(graph, name)}


def test_a_long_chain_of_imports_does_not_exceed_the_recursion_limit() -> None:
    names = [str(number) for number in range(5000)]
    graph = {name: {other} for name, other in pairwise(names)} | {names[-1]: set()}
    assert len(dependency_hashes(graph, dict.fromkeys(names, ""))) == 5000
