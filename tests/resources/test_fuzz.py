"""The demo app under schemathesis: every response is documented."""

import copy
import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from colonnade import Database, SQLModel
from colonnade.templates import lay_out

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
"""Examples per operation, generation mode and set of parameters: about 600 requests in total.

For more, run ``FUZZ_EXAMPLES=30 python -m pytest -m slow tests/resources/test_fuzz.py``.
"""

ALLOWED = ["2xx", "304", "401", "403", "404", "409", "412"]
# Parameters whose valid values no schema can describe: 422 is a documented response.
UNCHECKED_PARAMETERS = {"cursor", "where", "having", "tz", "order_by"}  # `id,-id` is a 422
UNDESCRIBED = {"too_deep", "duplicate", "fill"}
"""What no schema can describe: a tree refers to itself, and ``fill`` needs one time bucket."""


@pytest.fixture
def demo(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The demo app, with its tables."""
    if database_url == "sqlite://":
        pytest.skip("this is the longest test: for SQLite, it runs with a file only")
    lay_out(tmp_path / "demo", "tasks", example="tasks")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.syspath_prepend(str(tmp_path / "demo"))
    app = importlib.import_module("app.main").app
    db: Database = importlib.import_module("app.database").db
    db.create_all(SQLModel.metadata)
    yield app
    db.dispose()
    for name in [name for name in sys.modules if name == "app" or name.startswith("app.")]:
        del sys.modules[name]


def some_parameters(document: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the document with a few parameters per operation: hundreds at once take minutes."""
    generator = random.Random(seed)
    reduced = copy.deepcopy(document)
    for path in reduced["paths"].values():
        for operation in path.values():
            parameters = operation.get("parameters", [])
            required = [
                parameter
                for parameter in parameters
                if parameter["in"] != "query" or parameter.get("required")
            ]
            optional = [parameter for parameter in parameters if parameter not in required]
            operation["parameters"] = required + generator.sample(optional, min(6, len(optional)))
    return reduced


def send(strategy: Any, check: Callable[[Any], None]) -> None:
    """Send the generated requests, the same in each run, so that failures are reproducible."""

    @given(case=strategy)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        check(case)

    with suppress(Unsatisfiable):  # an operation without parameters has no invalid ones
        run()


def constraints_of(response: Any) -> set[str]:
    """What a body violates."""
    if response.status_code != 422:
        return set()
    return {error.get("constraint") for error in response.json().get("errors", ())}


def has_comma_as_value(query: dict[str, Any]) -> bool:
    """Whether a list has a comma as a value, which no URL can tell from two empty values."""
    values = (str(value) for name, value in query.items() if name.endswith("__in"))
    return any("" in value.split(",") for value in values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [1, 2])
def test_every_response_is_documented(demo: Any, seed: int) -> None:
    import schemathesis
    from schemathesis.checks import CHECKS
    from schemathesis.config import SchemathesisConfig

    accepted = {"checks": {"positive_data_acceptance": {"expected-statuses": ALLOWED}}}
    demo.openapi_schema = some_parameters(demo.openapi(), seed)
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", demo, config=SchemathesisConfig.from_dict(accepted)
    )
    acceptance = CHECKS.get_one("positive_data_acceptance")
    rejection = CHECKS.get_one("negative_data_rejection")
    sent = 0

    def check(case: Any) -> None:
        nonlocal sent
        sent += 1
        query = set(case.query or ())
        published = {parameter.name for parameter in case.operation.query}
        # A name that is not published comes from `relation_filters`, which stands for many.
        unchecked = (UNCHECKED_PARAMETERS & query) | (query - published)
        response = case.call()
        if unchecked or constraints_of(response) & UNDESCRIBED:
            case.validate_response(response, excluded_checks=[acceptance])
        elif has_comma_as_value(case.query or {}):
            case.validate_response(response, excluded_checks=[rejection])
        else:
            case.validate_response(response)

    for operation_result in schema.get_all_operations():
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            operation: Any = operation_result.ok()  # type: ignore[union-attr]  # an error would be one of the test
            send(operation.as_strategy(generation_mode=mode), check)
    assert sent > 300
