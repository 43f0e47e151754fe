"""Testing: databases and clients for the pytest plugin, and assertions about SQL statements.

The plugin itself is the package ``pytest_colonnade``, beside this one.
"""

from colonnade.project import Project
from colonnade.testing._clock import FrozenClock, frozen
from colonnade.testing._counts import counts, no_n_plus_one
from colonnade.testing._current_test import CurrentTest, UncommittedWarning
from colonnade.testing._environment import environment
from colonnade.testing._lazy_loads import no_lazy_loads
from colonnade.testing._make import make
from colonnade.testing._migrations import check_migrations
from colonnade.testing._runs import Run
from colonnade.testing._scans import no_sequential_scans
from colonnade.testing._schema import make_schema
from colonnade.testing._servers import fast_directory, postgresql_server
from colonnade.testing._statements import Statement

__all__ = [
    "CurrentTest",
    "FrozenClock",
    "Project",
    "Run",
    "Statement",
    "UncommittedWarning",
    "check_migrations",
    "counts",
    "environment",
    "fast_directory",
    "frozen",
    "make",
    "make_schema",
    "no_lazy_loads",
    "no_n_plus_one",
    "no_sequential_scans",
    "postgresql_server",
]
