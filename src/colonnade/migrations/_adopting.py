"""A database that has tables and no code gets some."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from colonnade.database import Database
from colonnade.migrations._adoption import Adoption, models_source
from colonnade.migrations._environment import opened


def adopted(database: Database) -> Adoption:
    """The models of a database's tables.

    Raises:
        UnreachableError: It cannot be connected to.
    """
    with opened(database) as connection:
        return models_source(connection)


def defined_by(path: Path) -> MetaData:
    """The tables that a module of models defines.

    Args:
        path: Its file.
    """
    spec = spec_from_file_location(f"adopted_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where a postponed annotation is looked up
    spec.loader.exec_module(module)
    return SQLModel.metadata
