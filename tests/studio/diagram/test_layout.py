"""The layout of boxes: none overlap, and lines pass between them."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from colonnade.studio.diagram._layout import Layout, Point, Size, arrange

GAP = 96.0
SIZES = st.builds(Size, st.integers(100, 400).map(float), st.integers(50, 700).map(float))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Size], list[tuple[int, int]]]:
    """Boxes and lines in any direction, also several between the same boxes, and cycles."""
    sizes = draw(st.lists(SIZES, min_size=1, max_size=14))
    ends = st.integers(0, len(sizes) - 1)
    lines = draw(st.lists(st.tuples(ends, ends), max_size=24))
    return sizes, [(start, end) for start, end in lines if start != end]


def overlap(layout: Layout, sizes: list[Size], first: int, second: int) -> bool:
    a, b = layout.corners[first], layout.corners[second]
    return (
        a.x < b.x + sizes[second].width
        and b.x < a.x + sizes[first].width
        and a.y < b.y + sizes[second].height
        and b.y < a.y + sizes[first].height
    )


@given(graphs())
def test_no_boxes_overlap_and_all_are_inside(
    graph: tuple[list[Size], list[tuple[int, int]]],
) -> None:
    sizes, lines = graph
    layout = arrange(sizes, lines, gap=GAP)
    for first, second in combinations(range(len(sizes)), 2):
        assert not overlap(layout, sizes, first, second)
    for corner, size in zip(layout.corners, sizes, strict=True):
        assert corner.x >= 0
        assert corner.y >= -0.001
        assert corner.x + size.width <= layout.size.width + 0.001
        assert corner.y + size.height <= layout.size.height + 0.001


@given(graphs())
def test_every_line_has_a_route_in_one_direction(
    graph: tuple[list[Size], list[tuple[int, int]]],
) -> None:
    sizes, lines = graph
    layout = arrange(sizes, lines, gap=GAP)
    assert layout.routes.keys() == set(lines)
    for (start, end), points in layout.routes.items():
        xs = [layout.corners[start].x, *(point.x for point in points), layout.corners[end].x]
        rises = [left <= right for left, right in pairwise(xs)]
        assert all(rises) or not any(rises)


@given(graphs())
def test_the_same_graph_has_the_same_layout(
    graph: tuple[list[Size], list[tuple[int, int]]],
) -> None:
    sizes, lines = graph
    assert arrange(sizes, lines, gap=GAP) == arrange(sizes, lines, gap=GAP)


def test_a_line_past_a_column_goes_between_its_boxes() -> None:
    box = Size(100, 60)
    layout = arrange([box] * 3, [(0, 1), (1, 2), (0, 2)], gap=GAP)
    enters, leaves = layout.routes[0, 2]
    middle = layout.corners[1]
    assert (enters.x, leaves.x) == (middle.x, middle.x + 100)
    assert enters.y == leaves.y
    assert not middle.y <= enters.y <= middle.y + 60


def test_boxes_of_a_chain_are_beside_each_other() -> None:
    box = Size(100, 60)
    corners = arrange([box] * 3, [(0, 1), (1, 2)], gap=GAP).corners
    assert corners == [Point(0, 0), Point(196, 0), Point(392, 0)]


def test_boxes_without_lines_stand_in_rows() -> None:
    corners = arrange([Size(700, 60)] * 3, [], gap=GAP).corners
    assert corners == [Point(0, 0), Point(756, 0), Point(0, 116)]
