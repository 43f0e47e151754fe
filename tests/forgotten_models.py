"""Forgets the models of earlier tests, which define tables with the same names."""

import gc
import sys
import typing
from contextlib import suppress
from functools import _lru_cache_wrapper
from typing import Any

from sqlmodel.main import default_registry

from colonnade import SQLModel
from colonnade.database import metadatas


def forget_models() -> None:
    """Remove the tables of all models."""
    for metadata in metadatas():
        metadata.clear()
    # Otherwise the native enums of earlier tests would be created with the tables of later ones.
    dispatch: Any = SQLModel.metadata.dispatch
    for listeners in (dispatch.before_create, dispatch.after_drop):
        listeners.for_modify(dispatch).clear()
    for _ in range(5):
        # The registry has weak references to its classes, and fails if one is collected meanwhile.
        with suppress(KeyError):
            default_registry.dispose()
            return


def delete_models() -> None:
    """Remove from memory all models that no test uses.

    The caches of Colonnade, FastAPI and ``typing`` have a limited size, but each entry keeps an app
    and its models, whose classes slow down everything that iterates over all models.
    """
    forget_models()
    for empty in vars(typing)["_cleanups"]:
        empty()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"colonnade", "fastapi"}:
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()
    gc.collect()
