"""Use OpenTelemetry's instrumentation of SQLAlchemy, if it is installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sqlalchemy import Engine

PACKAGE = "opentelemetry.instrumentation.sqlalchemy"
"""Provided by opentelemetry-instrumentation-sqlalchemy on PyPI."""


def is_set_up() -> bool:
    """Whether the instrumentation is installed and a tracer provider is set."""
    try:
        if find_spec(PACKAGE) is None:
            return False
    except ModuleNotFoundError:
        return False
    trace: Any = import_module("opentelemetry.trace")
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def instrument(engine: Engine) -> None:
    """Emit spans for an engine's statements and metrics of its pool.

    Args:
        engine: The engine, or the sync side of an async one.
    """
    module: Any = import_module(PACKAGE)
    # The public ``instrument()`` works only once, and there is an engine for each event loop.
    module.SQLAlchemyInstrumentor()._instrument(engine=engine)
