"""Changes inside a JSON value mark its row as changed."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from colonnade import Database, Field, SQLModel


class Step(BaseModel):
    name: str
    done: bool = False


class Settings(BaseModel):
    model_config = ConfigDict(extra="allow", validate_assignment=True)

    theme: str = "plain"
    tags: list[str] = []
    steps: list[Step] = []
    nested: dict[str, list[int]] = {}


def row_class() -> Any:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        data: dict[str, Any] = Field(default_factory=lambda: {"list": [3, 1], "dict": {"a": 1}})
        items: list[Any] = Field(default_factory=lambda: [1, {"a": []}])
        names: set[str] = Field(default_factory=lambda: {"a"})
        pair: tuple[list[int], str] = ([], "x")
        settings: Settings = Field(default_factory=lambda: Settings(steps=[Step(name="s")]))
        maybe: list[int] | None = None

    return Row


CHANGES: dict[str, Callable[[Any], object]] = {
    "dict set": lambda row: row.data.__setitem__("x", 1),
    "dict del": lambda row: row.data.__delitem__("list"),
    "dict update": lambda row: row.data.update(x=[1]),
    "dict |=": lambda row: row.data.__ior__({"y": 2}),
    "dict setdefault": lambda row: row.data.setdefault("n", []).append(1),
    "dict pop": lambda row: row.data.pop("list"),
    "dict popitem": lambda row: row.data.popitem(),
    "dict clear": lambda row: row.data.clear(),
    "deep list": lambda row: row.data["list"].append(9),
    "deep sort": lambda row: row.data["list"].sort(),
    "deep dict": lambda row: row.data["dict"].update(b=[]),
    "list append": lambda row: row.items.append({"b": 1}),
    "list extend": lambda row: row.items.extend([[1], 2]),
    "list insert": lambda row: row.items.insert(0, "first"),
    "list set": lambda row: row.items.__setitem__(0, "changed"),
    "list slice": lambda row: row.items.__setitem__(slice(0, 1), [7, 8]),
    "list del": lambda row: row.items.__delitem__(0),
    "list +=": lambda row: row.items.__iadd__([4]),
    "list *=": lambda row: row.items.__imul__(2),
    "list pop": lambda row: row.items.pop(),
    "list remove": lambda row: row.items.remove(1),
    "list reverse": lambda row: row.items.reverse(),
    "list clear": lambda row: row.items.clear(),
    "deep in list": lambda row: row.items[1]["a"].append(1),
    "set add": lambda row: row.names.add("b"),
    "set |=": lambda row: row.names.__ior__({"c"}),
    "set discard": lambda row: row.names.discard("a"),
    "in a tuple": lambda row: row.pair[0].append(1),
    "model set": lambda row: setattr(row.settings, "theme", "dark"),
    "model extra": lambda row: setattr(row.settings, "other", [1]),
    "model list": lambda row: row.settings.tags.append("t"),
    "model in list": lambda row: setattr(row.settings.steps[0], "done", True),
    "model append model": lambda row: row.settings.steps.append(Step(name="t")),
    "model dict": lambda row: row.settings.nested.setdefault("k", []).append(1),
    "from None": lambda row: setattr(row, "maybe", [1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_place_is_saved(db: Database, change: Callable[[Any], object]) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        row = Row()
        session.add(row)
        session.commit()
        before = copy.deepcopy(row.model_dump())
        change(row)
        expected = copy.deepcopy(row.model_dump())
        session.commit()
    assert expected != before
    with db.session() as session:
        assert session.get_one(Row, 1).model_dump() == expected
        # The same on a row that was read.
        change_again = session.get_one(Row, 1)
        change_again.data["again"] = [1]
        session.commit()
        change_again.data["again"].append(2)
        session.commit()
    with db.session() as session:
        assert session.get_one(Row, 1).data["again"] == [1, 2]


def test_a_value_kept_over_a_commit_still_notifies_its_row(db: Database) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        row = Row()
        session.add(row)
        held = row.data["list"]
        for number in range(3):
            held.append(number)
            session.commit()
    with db.session() as session:
        assert session.get_one(Row, 1).data["list"] == [3, 1, 0, 1, 2]


def test_reading_a_value_does_not_change_its_row(db: Database) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        session.add(Row())
        session.commit()
    with db.session() as session:
        row = session.get_one(Row, 1)
        assert (row.data, row.items, row.settings.tags, list(row.names)) == (
            {"list": [3, 1], "dict": {"a": 1}}, [1, {"a": []}], [], ["a"],
        )  # fmt: skip
        assert not session.dirty


def test_a_tracked_value_equals_the_original() -> None:
    Row = row_class()
    row = Row()
    assert isinstance(row.settings, Settings)
    assert row.settings == Settings(steps=[Step(name="s")])
    assert Settings(steps=[Step(name="s")]) == row.settings
    assert row.settings != Settings()
    assert repr(row.settings) == repr(Settings(steps=[Step(name="s")]))
    assert json.dumps(row.data) == '{"list": [3, 1], "dict": {"a": 1}}'
    for copied in (
        copy.copy(row.settings),
        copy.deepcopy(row.settings),
        row.settings.model_copy(),
        pickle.loads(pickle.dumps(row.settings)),
    ):
        assert type(copied) is Settings
        assert copied == row.settings
    for value in (row.data, row.items, row.names, row.pair):
        plain = pickle.loads(pickle.dumps(value))
        assert plain == value
        assert type(plain) in (dict, list, set, tuple)
        assert type(copy.deepcopy(value)) in (dict, list, set, tuple)


def test_a_tracked_model_validates_assignments() -> None:
    Row = row_class()
    row = Row()
    with pytest.raises(ValueError, match="theme"):
        row.settings.theme = 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(
        alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=2), JSON), max_size=4))
def test_any_sequence_of_changes_is_saved(changes: list[tuple[str, Any]]) -> None:
    from sqlmodel.main import default_registry

    SQLModel.metadata.clear()
    default_registry.dispose()
    Row = row_class()
    db = Database("sqlite://")
    db.create_all()
    model: dict[str, Any] = {"root": {}}
    with db.session() as session:
        row = Row(data={"root": {}})
        session.add(row)
        session.commit()
        for key, value in changes:
            row.data["root"][key] = value
            model["root"][key] = copy.deepcopy(value)
            session.commit()
            session.expire_all()
        assert row.data == model
    db.dispose()
