"""Naive times: a column gets a time zone everywhere at once, or not at all."""

from textwrap import dedent

import pytest

from tests.lint.checking import check_code, check_files
from tests.lint.rules.test_rules import fixed

SQLMODEL = """
from datetime import datetime, timedelta, timezone

from sqlalchemy import DateTime
from sqlmodel import Field, Session, SQLModel, select


class Pass(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    until: datetime = Field(default_factory=datetime.utcnow, sa_type=DateTime)
    note: str = ""
"""
COLONNADE = SQLMODEL.replace("sqlmodel", "colonnade").replace(", sa_type=DateTime", "")


def test_a_column_gets_a_time_zone_together_with_its_defaults_and_uses() -> None:
    code = f"""{SQLMODEL}

def renew(session: Session, key: int) -> None:
    found = session.get_one(Pass, key)
    found.until = datetime.utcnow() + timedelta(days=30)
    session.add(Pass(until=datetime.now()))


def valid(session: Session):
    statement = select(Pass).where(Pass.until > datetime.utcnow()).order_by(Pass.until)
    return session.exec(statement).all()
"""
    changed = code
    for before, after in [
        ("sa_type=DateTime", "sa_type=DateTime(timezone=True)"),
        ("datetime.utcnow,", "lambda: datetime.now(timezone.utc),"),
        ("datetime.utcnow()", "datetime.now(timezone.utc)"),
        ("datetime.now()", "datetime.now(timezone.utc)"),
    ]:
        changed = changed.replace(before, after)
    assert fixed(code) == changed


UNCLEAR_USES = {
    "a row, naive on SQLite": "def f(one: Pass): return one.until > datetime.utcnow()",
    "a difference": "def f(one: Pass): return datetime.utcnow() - one.until",
    "a variable": """
        def f(one: Pass):
            now = datetime.utcnow()
            one.until = now
    """,
    "a parameter": "def f(one: Pass, at: datetime): one.until = at",
    "a comparison with a parameter": "def f(at): return select(Pass).where(Pass.until > at)",
    "formatted text": "def f(one: Pass): return one.until.isoformat()",
    "an argument": "def f(one: Pass): return print(one.until)",
    "a row of an unknown class": "def f(one): return one.until",
    "an attribute name": "def f(one: Pass, value): setattr(one, 'until', value)",
    "a keyword argument of another class": "def f(make, at): return make(until=at)",
}


@pytest.mark.parametrize("use", UNCLEAR_USES.values(), ids=UNCLEAR_USES)
def test_a_column_with_an_unclear_use_is_not_fixed(use: str) -> None:
    code = f"{SQLMODEL}\n\n{dedent(use).strip()}\n"
    assert fixed(code) == code
    assert "CLN110" in {code for _, code in check_code(code)}


def test_a_column_that_another_file_may_use_is_not_fixed() -> None:
    findings = check_files(models=SQLMODEL, api="from models import Pass\n")
    assert [(finding.code, finding.fix) for finding in findings] == [
        ("CLN108", None),
        ("CLN110", None),
    ]
    assert all("in one step" in (finding.advice or "") for finding in findings)


def test_utcnow_compared_with_a_naive_column_is_not_reported() -> None:
    code = f"{SQLMODEL}\n\ndef f(one: Pass): return one.until > datetime.utcnow()\n"
    assert check_code(code, "CLN111") == []
    aware_column = code.replace("sa_type=DateTime", "sa_type=DateTime(timezone=True)")
    assert check_code(aware_column, "CLN111") == [(13, "CLN111")]


@pytest.mark.parametrize(
    ("expression", "changed"),
    [
        ("x = datetime.utcnow().timestamp()", "x = datetime.now(timezone.utc).timestamp()"),
        (
            "x = datetime.utcnow() < datetime.now(timezone.utc)",
            "x = datetime.now(timezone.utc) < datetime.now(timezone.utc)",
        ),
        ("x = datetime.utcnow()", None),
        ("x = f(datetime.utcnow())", None),
        ("x = datetime.utcnow() < y", None),
        ("x = datetime.utcnow().isoformat()", None),
    ],
)
def test_a_time_outside_columns_is_fixed_if_its_use_is_clear(
    expression: str, changed: str | None
) -> None:
    code = "import sqlmodel\nfrom datetime import datetime, timezone\n\n{}\n"
    assert fixed(code.format(expression)) == code.format(changed or expression)


class TestColonnade:
    """Colonnade takes a naive time for local time."""

    FACTORIES = (
        "datetime.utcnow",
        "lambda: datetime.utcnow()",
        "lambda: datetime.utcnow() + timedelta(days=1)",
        "lambda: datetime.now(timezone.utc).replace(tzinfo=None)",
        "lambda: datetime.now(tz=timezone.utc).replace(tzinfo=None)",
        "now",
        "lambda: later()",
    )
    HELPERS = dedent("""
        def now() -> datetime:
            return datetime.utcnow()

        def later():
            return now() + timedelta(days=1)

        def again():
            return again()

        """)

    def code(self, factory: str) -> str:
        head, _, model = COLONNADE.partition("class Pass")
        model = model.replace("datetime.utcnow", factory)
        return f"{head}{self.HELPERS}class Pass{model}"

    @pytest.mark.parametrize("factory", FACTORIES)
    def test_naive_utc_is_reported(self, factory: str) -> None:
        (finding,) = [
            finding for finding in check_files(code=self.code(factory)) if finding.code == "CLN108"
        ]
        assert "stored as if UTC were the local time" in finding.message

    @pytest.mark.parametrize(
        "field",
        [
            "Field(sa_column_kwargs={'onupdate': datetime.utcnow})",
            "Field(default_factory=datetime.utcnow, sa_type=DateTime(timezone=True))",
            "Field(default_factory=datetime.utcnow, sa_type=UTCDateTime)",
        ],
    )
    def test_naive_utc_is_reported_in_every_kind_of_default(self, field: str) -> None:
        code = COLONNADE.replace("Field(default_factory=datetime.utcnow)", field)
        code = code.replace("import Field,", "import Field, UTCDateTime,")
        assert check_code(code, "CLN108") == [(9, "CLN108")]

    def test_a_column_without_a_time_zone_is_reported_itself(self) -> None:
        code = COLONNADE.replace("utcnow)", "utcnow, sa_type=DateTime)")
        assert check_code(code) == [(9, "CLN110")]

    @pytest.mark.parametrize(
        "factory",
        ["datetime.now", "lambda: datetime.now(timezone.utc)", "lambda: datetime.now()", "again",
         "lambda: datetime.now(timezone.utc).replace(microsecond=0)", "unknown"],
    )  # fmt: skip
    def test_local_time_and_aware_times_are_not_reported(self, factory: str) -> None:
        assert check_code(self.code(factory), "CLN108") == []

    def test_the_fix_compares_rows_with_aware_times(self) -> None:
        code = f"{COLONNADE}\n\ndef f(one: Pass): return one.until > datetime.utcnow()\n"
        now = "datetime.now(timezone.utc)"
        assert fixed(code) == code.replace("=datetime.utcnow", f"=lambda: {now}").replace(
            "> datetime.utcnow()", f"> {now}"
        )
