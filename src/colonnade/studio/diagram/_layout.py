"""Places boxes in columns, so that few of the lines between them cross."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from colonnade.errors import CommandError

ROW_GAP = 32.0
"""Pixels between boxes of a column."""

COMPONENT_GAP = 56.0
"""Pixels between parts of the diagram that no line connects."""

LINE_HEIGHT = 14.0
"""Pixels that a line takes where it passes a column between its boxes."""

WIDTH = 1600.0
"""Pixels after which the parts that no line connects continue below."""

SWEEPS = 12
"""How often boxes are moved towards their neighbors; later sweeps change less than a pixel."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a box in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Point:
    """A position in pixels, from the upper left corner."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where boxes are, and where lines pass.

    Attributes:
        corners: The upper left corner of each box.
        routes: The points of each line between its boxes: it enters and leaves columns there.
        size: The size of the whole.
    """

    corners: Sequence[Point]
    routes: Mapping[tuple[int, int], Sequence[Point]]
    size: Size


def arrange(
    sizes: Sequence[Size],
    lines: Sequence[tuple[int, int]],
    *,
    gap: float,
    needs_library: bool = True,
) -> Layout:
    """Place boxes so that lines lead from left to right.

    The same boxes and lines have the same layout on every machine.

    Args:
        sizes: The sizes of the boxes.
        lines: The numbers of the boxes that lines connect, without lines of a box to itself.
        gap: Pixels between columns.
        needs_library: Whether to refuse the simpler layout, in which more lines cross, if the
            library is not installed.

    Raises:
        CommandError: The library for layouts is not installed.
    """
    parts = [
        *(_Component(sizes, *component, gap) for component in _layered(lines, needs_library)),
        *(_Component(sizes, [[box]], {}, gap) for box in _isolated(len(sizes), lines)),
    ]
    corners = [Point(0, 0)] * len(sizes)
    routes: dict[tuple[int, int], Sequence[Point]] = {}
    x = y = row_height = right = 0.0
    for part in sorted(parts, key=lambda part: (-part.size.height, part.first)):
        if x > 0 and x + part.size.width > WIDTH:
            x, y, row_height = 0.0, y + row_height + COMPONENT_GAP, 0.0
        for box, corner in part.corners().items():
            corners[box] = Point(x + corner.x, y + corner.y)
        for line, points in part.routes().items():
            routes[line] = [Point(x + point.x, y + point.y) for point in points]
        right = max(right, x + part.size.width)
        row_height = max(row_height, part.size.height)
        x += part.size.width + COMPONENT_GAP
    return Layout(corners, routes, Size(right, y + row_height))


def _isolated(count: int, lines: Sequence[tuple[int, int]]) -> list[int]:
    connected = {box for line in lines for box in line}
    return [box for box in range(count) if box not in connected]


Layers = list[list[int]]
"""The nodes of each column, from top to bottom."""

Chains = dict[tuple[int, int], list[int]]
"""The nodes by which each line passes columns."""


def _layered(lines: Sequence[tuple[int, int]], needs_library: bool) -> list[tuple[Layers, Chains]]:
    """Divide the boxes of each connected part into columns; negative nodes are passages of lines.

    Raises:
        CommandError: The library is not installed.
    """
    try:
        from fast_sugiyama import from_edges
    except ImportError:
        if not needs_library:
            return _simply_layered(lines)
        raise CommandError(
            "A diagram as SVG needs a library for its layout: pip install 'colonnade[diagram]'. "
            "Mermaid (.mmd) and Graphviz (.dot) need none."
        ) from None
    boxes = sorted({box for line in lines for box in line})
    numbers = {box: number for number, box in enumerate(boxes)}
    edges = [(numbers[left], numbers[right]) for left, right in dict.fromkeys(lines)]
    components = []
    for positions, _, _, segments in from_edges(edges, dummy_vertices=True):
        names = {
            int(node): boxes[int(node)] if int(node) < len(boxes) else -int(node)
            for node, _ in positions
        }
        rows: dict[float, list[tuple[float, int]]] = {}
        for node, (x, y) in positions:
            rows.setdefault(y, []).append((x, names[int(node)]))
        layers = [[node for _, node in sorted(rows[y])] for y in sorted(rows, reverse=True)]
        links = [(names[int(start)], names[int(end)]) for start, end in segments or ()]
        components.append((layers, _chains(links)))
    return components


def _simply_layered(lines: Sequence[tuple[int, int]]) -> list[tuple[Layers, Chains]]:
    """Divide boxes into columns by their distance from the one with the most lines."""
    neighbors: dict[int, set[int]] = {}
    for left, right in lines:
        neighbors.setdefault(left, set()).add(right)
        neighbors.setdefault(right, set()).add(left)
    components = []
    unplaced = sorted(neighbors, key=lambda box: (-len(neighbors[box]), box))
    while unplaced:
        layers, placed = [[unplaced[0]]], {unplaced[0]}
        while layer := sorted({each for box in layers[-1] for each in neighbors[box]} - placed):
            layers.append(layer)
            placed.update(layer)
        chains: Chains = {line: [] for line in lines if line[0] in placed}
        components.append((layers, chains))
        unplaced = [box for box in unplaced if box not in placed]
    return components


def _chains(links: Sequence[tuple[int, int]]) -> Chains:
    """Follow each line from a box by its passages to the other box."""
    following = {start: end for start, end in links if start < 0}
    chains: Chains = {}
    for start, node in links:
        if start >= 0:
            passages, end = [], node
            while end < 0:
                passages.append(end)
                end = following[end]
            chains[start, end] = passages
    return chains


class _Component:
    """A connected part of the diagram."""

    def __init__(self, sizes: Sequence[Size], layers: Layers, chains: Chains, gap: float) -> None:
        self._layers = layers
        self._chains = chains
        self._heights = {
            node: sizes[node].height if node >= 0 else LINE_HEIGHT
            for layer in layers
            for node in layer
        }
        self._widths = [max(sizes[node].width for node in layer if node >= 0) for layer in layers]
        self._left = [0.0]
        for width in self._widths:
            self._left.append(self._left[-1] + width + gap)
        self._centers = self._place()
        top = min(self._centers[node] - self._heights[node] / 2 for node in self._heights)
        bottom = max(self._centers[node] + self._heights[node] / 2 for node in self._heights)
        self._top = top
        self.size = Size(self._left[-1] - gap, bottom - top)
        self.first = min(node for node in self._heights if node >= 0)

    def corners(self) -> dict[int, Point]:
        """The upper left corner of each box."""
        return {
            node: Point(
                self._left[column],
                self._centers[node] - self._heights[node] / 2 - self._top,
            )
            for column, layer in enumerate(self._layers)
            for node in layer
            if node >= 0
        }

    def routes(self) -> dict[tuple[int, int], list[Point]]:
        """The points at which each line enters and leaves the columns that it passes."""
        column_of = {node: column for column, layer in enumerate(self._layers) for node in layer}
        routes = {}
        for (start, end), passages in self._chains.items():
            points = []
            is_forward = column_of[start] < column_of[end]
            for node in passages:
                column, y = column_of[node], self._centers[node] - self._top
                sides = [self._left[column], self._left[column] + self._widths[column]]
                points += [Point(x, y) for x in (sides if is_forward else reversed(sides))]
            routes[start, end] = points
        return routes

    def _place(self) -> dict[int, float]:
        """The vertical center of each node: as near to its neighbors as the order allows."""
        neighbors: dict[int, list[int]] = {node: [] for node in self._heights}
        for (start, end), passages in self._chains.items():
            for left, right in pairwise([start, *passages, end]):
                neighbors[left].append(right)
                neighbors[right].append(left)
        centers: dict[int, float] = {}
        for layer in self._layers:
            centers.update(zip(layer, self._separated(layer, [0.0] * len(layer)), strict=True))
        for sweep in range(SWEEPS):
            for layer in self._layers if sweep % 2 == 0 else reversed(self._layers):
                wanted = [
                    _mean([centers[each] for each in neighbors[node]] or [centers[node]])
                    for node in layer
                ]
                centers.update(zip(layer, self._separated(layer, wanted), strict=True))
        return centers

    def _separated(self, layer: Sequence[int], wanted: Sequence[float]) -> list[float]:
        """The positions nearest to the wanted ones in which no nodes of a column overlap.

        Without the distances between them, the positions are those of an isotonic regression,
        which the algorithm of adjacent violators computes (Barlow et al., 1972).
        """
        offsets = [0.0]
        for above, below in pairwise(layer):
            distance = (self._heights[above] + self._heights[below]) / 2 + ROW_GAP
            offsets.append(offsets[-1] + distance)
        blocks: list[tuple[float, int]] = []  # the mean and the number of nodes
        for position, offset in zip(wanted, offsets, strict=True):
            mean, count = position - offset, 1
            while blocks and blocks[-1][0] > mean:
                above_mean, above_count = blocks.pop()
                mean = (mean * count + above_mean * above_count) / (count + above_count)
                count += above_count
            blocks.append((mean, count))
        means = [mean for mean, count in blocks for _ in range(count)]
        return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
