"""The rule CLN316, check-then-insert."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.project._modules import Function
from colonnade.lint.rules._examples import models

FIRST = ("first", "one_or_none", "scalar_one_or_none", "scalar")
CONSTRUCTORS = ("model_validate", "model_construct", "from_orm")


class CheckThenInsert(Rule):
    """A row is stored if none has its value yet, and the column is not unique.

    Two requests at the same time both find nothing, and both insert. Only the database can refuse
    the second one: give the column `unique=True`, and answer the IntegrityError.
    """

    code = "CLN316"
    name = "check-then-insert"
    in_tests = False
    in_migrations = False
    source = "https://www.postgresql.org/docs/current/transaction-iso.html"
    bad = f"""{models(before="from fastapi import FastAPI, HTTPException")}

app = FastAPI()


@app.post("/tasks")
def add(title: str) -> None:
    with Session(engine) as session:
        if session.exec(select(Task).where(Task.title == title)).first():  # CLN316
            raise HTTPException(409)
        session.add(Task(title=title))
        session.commit()
"""
    good = """
from fastapi import FastAPI, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, create_engine

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(unique=True)


@app.post("/tasks")
def add(title: str) -> None:
    with Session(engine) as session:
        session.add(Task(title=title))
        try:
            session.commit()
        except IntegrityError:
            raise HTTPException(409) from None
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for function in context.request_functions:
            for test in ast.walk(function):
                if isinstance(test, ast.If) and isinstance(test.body[-1], ast.Raise):
                    yield from self._check_test(context, function, test)

    def _check_test(self, context: Context, function: Function, test: ast.If) -> Iterator[Finding]:
        query = _query_of(context, function, test.test)
        field = _compared_field(context, query) if query is not None else None
        if query is None or field is None or _may_be_unique(field):
            return
        inserts = [
            node
            for node in ast.walk(function)
            if isinstance(node, ast.Call)
            and node.lineno > test.lineno
            and _makes(context, node, field.owner)
        ]
        if inserts:
            message = (
                f"another request may store the same `{field.name}` before this one does: the "
                "column is not unique"
            )
            advice = f"Give `{field.name}` `unique=True`, and answer the IntegrityError"
            yield context.finding(self.code, query, message, advice=advice, whole=False)


def _query_of(context: Context, function: Function, test: ast.expr) -> ast.Call | None:
    """The query that a test is about, itself or by the name of its result."""
    match test:
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            test = left
        case ast.NamedExpr(value=value):
            test = value
    if isinstance(test, ast.Name):
        values = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and any(isinstance(each, ast.Name) and each.id == test.id for each in node.targets)
        ]
        if len(values) != 1:
            return None
        test = values[0]
    test = test.value if isinstance(test, ast.Await) else test
    if not isinstance(test, ast.Call) or not isinstance(test.func, ast.Attribute):
        return None
    inferred = context.value(test)
    inferred = (
        inferred.item if inferred is not None and inferred.kind is Kind.AWAITABLE else inferred
    )
    is_row = inferred is not None and inferred.kind is Kind.ROW
    return test if test.func.attr in FIRST and is_row else None


def _compared_field(context: Context, query: ast.Call) -> ModelField | None:
    """The only column that a query compares with a value; None if it compares more."""
    comparisons = [
        node
        for node in ast.walk(query)
        if isinstance(node, ast.Compare) and _column(context, node.left) is not None
    ]
    if len(comparisons) != 1 or not isinstance(comparisons[0].ops[0], ast.Eq):
        return None
    column = _column(context, comparisons[0].left)
    if column is None or column.model is None:
        return None
    return column.model.fields.get(column.name)


def _column(context: Context, node: ast.expr) -> Value | None:
    inferred = context.value(node)
    return inferred if inferred is not None and inferred.kind is Kind.COLUMN else None


def _may_be_unique(field: ModelField) -> bool:
    """Whether a constraint or an index may hold a column, as far as the class says."""
    in_table = "__table_args__" in ast.unparse(field.owner.node)
    return field.unique or in_table or field.foreign_key is not None


def _makes(context: Context, call: ast.Call, model: Model) -> bool:
    """Whether a call makes a row of a table, which has the field itself or inherits it."""
    inferred = context.value(call)
    if inferred is None or inferred.kind is not Kind.ROW or inferred.model is None:
        return False
    return inferred.model is model or model.name in inferred.model.ancestry
