"""A diagram as SVG, light or dark as the reader's system is."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from colonnade.studio.diagram._layout import Layout, Point, Size, arrange
from colonnade.studio.diagram._schema_graph import (
    Cardinality,
    DiagramColumn,
    DiagramRelation,
    DiagramTable,
    SchemaGraph,
)
from colonnade.studio.diagram._texts import markup

FONT_SIZE = 12
CHARACTER = FONT_SIZE * 0.602
"""The width of a character in pixels: monospaced fonts have 0.6 em, few of them 0.602."""

ROW = 22.0
HEADER = 30.0
PADDING = 12.0
MARGIN = 32.0
COLUMN_GAP = 96.0
"""Pixels between columns, for the lines and their ends; more if a label is longer."""

KEY_WIDTH = 26.0
"""Pixels of the column with PK and FK."""

END = 20.0
"""Pixels of the end of a line, which shows how many rows there are."""

END_HEIGHT = 10.0
"""Pixels between the ends of lines at the same column."""

LOOP = 36.0
"""How far a line of a table to itself stands out, in pixels."""

SHIFT = 10.0
"""Pixels between lines that connect the same tables."""

MANY_KEYS = 3
"""From this number on, the foreign keys between two tables are one line."""

MAX_TEXT = 48
"""Characters of a name or type; longer ones are cut."""

STYLE = files("colonnade.studio") / "static" / "css" / "diagram.css"
"""The style sheet, which Studio's page has as well."""


def svg(graph: SchemaGraph, *, is_embedded: bool = False) -> str:
    """Draw a graph.

    Args:
        graph: The tables and relations.
        is_embedded: Whether a page contains it, which has the style sheet. Its layout is then
            simpler if the library for layouts is not installed.

    Returns:
        The text of an ``.svg`` file.

    Raises:
        CommandError: The library for layouts is not installed.
    """
    return _Drawing(graph, is_embedded=is_embedded).text()


class _Drawing:
    """A graph with its layout."""

    def __init__(self, graph: SchemaGraph, *, is_embedded: bool) -> None:
        self._graph = graph
        self._is_embedded = is_embedded
        self._lines = _bundled(graph.relations)
        self._numbers = {table.name: number for number, table in enumerate(graph.tables)}
        self._sizes = [_size(table) for table in graph.tables]
        lines = [self._line(relation) for relation in self._lines]
        labels = [_width(relation.link) for relation in self._lines if relation.link]
        self._layout: Layout = arrange(
            self._sizes,
            [(start, end) for start, end in lines if start != end],
            gap=max([COLUMN_GAP, *(width + PADDING for width in labels)]),
            needs_library=not is_embedded,
        )

    def text(self) -> str:
        title = self._graph.summary
        width = round(self._layout.size.width + 2 * MARGIN + LOOP)
        height = round(self._layout.size.height + 2 * MARGIN)
        lines, labels = self._relations()
        role = "group" if self._is_embedded else "img"  # the tables on the page are links
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}" role="{role}" aria-label="{title}">',
            f"<title>{title}</title>",
            "" if self._is_embedded else f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>",
            f'<rect class="page" width="{width}" height="{height}"/>',
            f'<g transform="translate({MARGIN:g} {MARGIN:g})">',
            *lines,
            *(self._table(table) for table in self._graph.tables),
            *labels,
            "</g>",
            "</svg>",
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def _line(self, relation: DiagramRelation) -> tuple[int, int]:
        """A line leads from the referenced table, which is on the left, to the other."""
        return self._numbers[relation.target], self._numbers[relation.table]

    def _table(self, table: DiagramTable) -> str:
        number = self._numbers[table.name]
        corner, size = self._layout.corners[number], self._sizes[number]
        rows = [
            f'<g data-table="{markup(table.name)}" '
            f'transform="translate({corner.x:.1f} {corner.y:.1f})">'
            f"<title>{markup(table.name)}</title>",
            f'<rect class="box" width="{size.width:.1f}" height="{size.height:.1f}" rx="6"/>',
            f'<path class="head" d="M0 {HEADER:g}V6a6 6 0 0 1 6-6H{size.width - 6:.1f}'
            f'a6 6 0 0 1 6 6V{HEADER:g}z"/>',
            _text("name", PADDING, HEADER / 2, table.name),
            *(
                _row(column, HEADER + ROW * index, size.width)
                for index, column in enumerate(table.columns)
            ),
            "</g>",
        ]
        return "\n".join(rows)

    def _relations(self) -> tuple[list[str], list[str]]:
        """The lines and their labels."""
        ends = [self._ends(relation) for relation in self._lines]
        points = _spread([each for start, end in ends for each in ((start, end), (end, start))])
        paths, labels = [], []
        drawn: dict[tuple[int, int], int] = {}
        for number, (relation, (start, end)) in enumerate(zip(self._lines, ends, strict=True)):
            line = self._line(relation)
            shift = drawn.get(line, 0) * SHIFT
            drawn[line] = drawn.get(line, 0) + 1
            first, last = points[2 * number], points[2 * number + 1]
            path = self._path(line, (first, start.side), (last, end.side), shift)
            paths.append(
                f"<g><title>{markup(relation.description)}</title>"
                f'<path class="halo" d="{path}"/><path class="line" d="{path}"/>'
                f"{_end(first, start.side, relation.target_cardinality)}"
                f"{_end(last, end.side, relation.cardinality)}</g>"
            )
            if relation.link is not None:
                x = (first.x + last.x) / 2 if line[0] != line[1] else first.x + LOOP
                y = (first.y + last.y) / 2
                labels.append(_text("label", x, y, relation.link, anchor="middle"))
        return paths, labels

    def _ends(self, relation: DiagramRelation) -> tuple["_Anchor", "_Anchor"]:
        target, source = self._line(relation)
        left, right = self._layout.corners[target].x, self._layout.corners[source].x
        sides = (1, 1) if target == source else (1, -1) if left < right else (-1, 1)
        return (
            self._anchor(target, relation.target_columns, sides[0]),
            self._anchor(source, relation.columns, sides[1]),
        )

    def _anchor(self, number: int, columns: Sequence[str], side: int) -> "_Anchor":
        """Where a line ends: beside its column, or beside the header if it has none."""
        corner, size = self._layout.corners[number], self._sizes[number]
        names = [column.name for column in self._graph.tables[number].columns]
        y = HEADER / 2
        if columns and columns[0] in names:
            y = HEADER + ROW * (names.index(columns[0]) + 0.5)
        return _Anchor(corner.x + (size.width if side > 0 else 0), corner.y + y, side)

    def _path(
        self, line: tuple[int, int], start: tuple[Point, int], end: tuple[Point, int], shift: float
    ) -> str:
        (first, first_side), (last, last_side) = start, end
        if line[0] == line[1]:
            reach = END + LOOP + shift
            return (
                f"M{first.x:.1f} {first.y:.1f}h{END:g}C{first.x + reach:.1f} {first.y:.1f} "
                f"{first.x + reach:.1f} {last.y:.1f} {first.x + END:.1f} {last.y:.1f}h{-END:g}"
            )
        inner = [Point(point.x, point.y + shift) for point in self._layout.routes[line]]
        straight_ends = (
            Point(first.x + first_side * END, first.y),
            Point(last.x + last_side * END, last.y),
        )
        return _curve([first, straight_ends[0], *inner, straight_ends[1], last], first_side)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """Where lines end at a box: a position, and 1 on its right side or -1 on its left."""

    x: float
    y: float
    side: int


def _bundled(relations: Sequence[DiagramRelation]) -> list[DiagramRelation]:
    """One line for many foreign keys between two tables; the rows of the tables show them."""
    by_tables: dict[tuple[str, str], list[DiagramRelation]] = {}
    for relation in relations:
        by_tables.setdefault((relation.table, relation.target), []).append(relation)
    lines: list[DiagramRelation] = []
    for (table, target), between in by_tables.items():
        keys = [relation for relation in between if relation.link is None]
        if len(keys) < MANY_KEYS:
            lines += between
            continue
        lines += [relation for relation in between if relation.link is not None]
        is_required = all(key.target_cardinality == "one" for key in keys)
        lines.append(
            DiagramRelation(
                table,
                target,
                (),
                (),
                "many",
                "one" if is_required else "zero_or_one",
                link=f"{len(keys)} keys",
            )
        )
    return lines


def _spread(ends: Sequence[tuple[_Anchor, _Anchor]]) -> list[Point]:
    """A point for each end of a line: a little apart from other ends, in the order of their lines.

    Args:
        ends: The anchor of each end, and that of the other end of its line.
    """
    at_anchor: dict[_Anchor, list[int]] = {}
    for number, (anchor, _) in enumerate(ends):
        at_anchor.setdefault(anchor, []).append(number)
    points = {}
    for anchor, numbers in at_anchor.items():
        distance = min(END_HEIGHT, (ROW - 4) / len(numbers))
        first = anchor.y - distance * (len(numbers) - 1) / 2
        ordered = sorted(numbers, key=lambda number: (ends[number][1].y, number))
        for index, number in enumerate(ordered):
            points[number] = Point(anchor.x, first + distance * index)
    return [points[number] for number in range(len(ends))]


def _size(table: DiagramTable) -> Size:
    rows = [
        KEY_WIDTH + _width(column.name) + 2 * PADDING + _width(_type(column))
        for column in table.columns
    ]
    width = max([_width(table.name) * 1.05, *rows]) + 2 * PADDING
    return Size(round(max(width, 140.0)), HEADER + ROW * len(table.columns))


def _width(text: str) -> float:
    return min(len(text), MAX_TEXT) * CHARACTER


def _type(column: DiagramColumn) -> str:
    return f"{column.type}?" if column.nullable else column.type


def _row(column: DiagramColumn, y: float, width: float) -> str:
    middle = y + ROW / 2
    key = "PK" if column.primary_key else "FK" if column.foreign_key else ""
    key = key or ("UK" if column.unique else "")
    return "".join(
        [
            f'<path class="rule" d="M0 {y:g}H{width:.1f}"/>' if y > HEADER else "",
            _text("key", PADDING, middle, key) if key else "",
            _text("", PADDING + KEY_WIDTH, middle, column.name),
            _text("type", width - PADDING, middle, _type(column), anchor="end"),
        ]
    )


def _text(kind: str, x: float, y: float, text: str, *, anchor: str = "") -> str:
    shown = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    attributes = f' class="{kind}"' if kind else ""
    attributes += f' text-anchor="{anchor}"' if anchor else ""
    return (
        f'<text{attributes} x="{x:.1f}" y="{y:.1f}" dominant-baseline="central">'
        f"{markup(shown)}</text>"
    )


def _curve(points: Sequence[Point], side: int) -> str:
    """A line that is straight at its ends and where it passes columns, and curved between."""
    start, *others = points
    parts = [f"M{start.x:.1f} {start.y:.1f}"]
    previous = start
    for index, point in enumerate(others):
        if point.y == previous.y or index == len(others) - 1:
            parts.append(f"L{point.x:.1f} {point.y:.1f}")
        else:
            reach = max(abs(point.x - previous.x) / 2, END) * side
            parts.append(
                f"C{previous.x + reach:.1f} {previous.y:.1f} {point.x - reach:.1f} {point.y:.1f} "
                f"{point.x:.1f} {point.y:.1f}"
            )
        previous = point
    return "".join(parts)


def _end(point: Point, side: int, cardinality: Cardinality) -> str:
    """How many rows there are at the end of a line, in crow's foot notation."""
    x, y = point.x, point.y

    def bar(distance: float) -> str:
        return f'<path class="line" d="M{x + side * distance:.1f} {y - 5:.1f}v10"/>'

    def ring(distance: float) -> str:
        return f'<circle class="ring" cx="{x + side * distance:.1f}" cy="{y:.1f}" r="4"/>'

    if cardinality == "one":
        return bar(7) + bar(12)
    if cardinality == "zero_or_one":
        return bar(6) + ring(14)
    foot = (
        f'<path class="line" d="M{x + side * 11:.1f} {y:.1f}L{x:.1f} {y - 6:.1f}'
        f'M{x + side * 11:.1f} {y:.1f}L{x:.1f} {y + 6:.1f}"/>'
    )
    return foot + ring(15)
