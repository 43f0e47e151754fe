"""``Problem`` as an exception: what code that catches, copies or logs it relies on."""

import copy
import pickle
from collections.abc import Callable

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.testclient import TestClient

from colonnade import Problem
from colonnade.errors import ColonnadeError

PROBLEM = Problem(409, "Taken.", kind="unique", errors=[{"loc": ["body"]}], headers={"A": "b"})


def pickled(problem: Problem) -> Problem:
    copied: Problem = pickle.loads(pickle.dumps(problem))
    return copied


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_a_problem_is_the_same_problem(duplicate: Callable[[Problem], Problem]) -> None:
    copied = duplicate(PROBLEM)

    assert isinstance(copied, Problem)
    assert vars(copied) == vars(PROBLEM)


def test_a_problem_is_an_http_exception_with_its_text() -> None:
    assert isinstance(PROBLEM, HTTPException)
    assert str(PROBLEM) == "409: Taken."
    assert not isinstance(PROBLEM, ColonnadeError)


def test_a_handler_of_colonnades_errors_does_not_answer_problems() -> None:
    app = FastAPI()

    @app.exception_handler(ColonnadeError)
    def on_error(request: Request, error: Exception) -> Response:
        return Response(status_code=500)

    @app.get("/")
    def refuse() -> None:
        raise PROBLEM

    assert TestClient(app).get("/").status_code == 409
