"""PostgreSQL writes the same JSON as Pydantic for its arrays, ranges, addresses and domains."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade import Database, Field, SQLModel
from colonnade.query import QueryableTable
from colonnade.rows import View
from tests.native_types import NATIVE_KINDS
from tests.rows.writers import by_database, by_pydantic

pytestmark = pytest.mark.only_on("postgresql")

_numbers = itertools.count()
make_model: Any = type(SQLModel)


def native_model(*names: str) -> Any:
    """A table with a nullable column of each kind."""
    number = next(_numbers)
    body: dict[str, Any] = {
        "__module__": __name__,
        "__tablename__": f"native_{number}",
        "__annotations__": {"id": int | None}
        | {f"{name}_": NATIVE_KINDS[name].annotation | None for name in names},
        "id": Field(default=None, primary_key=True),
    }
    for name in names:
        body[f"{name}_"] = Field(default=None, sa_type=NATIVE_KINDS[name].type, nullable=True)
    return make_model(f"Native{number}", (SQLModel,), body, table=True)


@pytest.fixture
def everything(db: Database) -> Any:
    """A table with every kind of column."""
    model = native_model(*NATIVE_KINDS)
    db.create_all()
    return model


@given(data=st.data())
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_postgresql_writes_what_pydantic_writes(
    db: Database, everything: Any, data: st.DataObject
) -> None:
    kinds = {f"{name}_": st.none() | kind.values for name, kind in NATIVE_KINDS.items()}
    rows = data.draw(st.lists(st.fixed_dictionaries(kinds), max_size=3))
    with db.session() as session:
        session.connection().exec_driver_sql(f"DELETE FROM {everything.__tablename__}")
        session.add_all([everything(**row) for row in rows])
        session.commit()
    assert by_database(db, everything) == by_pydantic(db, everything)


EXACT = (
    "texts", "optional_texts", "integers", "flags", "floats", "prices", "keys", "days", "times",
    "moments", "words", "addresses", "int4range", "int8range", "daterange", "tsrange", "tstzrange",
    "address", "interface", "network", "hardware", "domain", "moment_domain", "list_domain",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(NATIVE_KINDS))
def test_a_reason_names_the_columns_that_pydantic_writes(db: Database, name: str) -> None:
    reasons = View(QueryableTable.of(native_model(name))).fallback_reasons
    if name in EXACT:
        assert reasons == ()
    else:
        assert len(reasons) == 1
        assert f".{name}_: " in reasons[0]
