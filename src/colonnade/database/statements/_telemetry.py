"""OpenTelemetry's own instrumentation of SQLAlchemy, where it is installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sqlalchemy import Engine

PACKAGE = "opentelemetry.instrumentation.sqlalchemy"
"""From PyPI's opentelemetry-instrumentation-sqlalchemy."""


def is_set_up() -> bool:
    """Whether it is there, and somebody has said where spans go."""
    try:
        if find_spec(PACKAGE) is None:
            return False
    except ModuleNotFoundError:
        return False
    trace: Any = import_module("opentelemetry.trace")
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def instrument(engine: Engine) -> None:
    """Have an engine's statements be spans, and its pool be measured.

    Args:
        engine: The engine, or the sync side of one.
    """
    module: Any = import_module(PACKAGE)
    # ``instrument()`` is for once: there is an engine for each event loop.
    module.SQLAlchemyInstrumentor()._instrument(engine=engine)
