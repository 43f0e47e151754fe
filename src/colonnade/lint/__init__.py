"""A reviewer for SQLModel, SQLAlchemy and FastAPI code: it parses code and never imports it."""

from colonnade.lint._baseline import beyond, read_baseline, write_baseline
from colonnade.lint._checking import check_sources
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._fixing import Fixed, fix
from colonnade.lint._page import examples, rules_page
from colonnade.lint._rule import Rule
from colonnade.lint._running import Progress, Report, check, default_jobs, selected
from colonnade.lint._settings import Settings
from colonnade.lint._sources import Source, read
from colonnade.lint.rules import all_rules

__all__ = [
    "Edit",
    "Finding",
    "Fix",
    "Fixed",
    "Progress",
    "Report",
    "Rule",
    "Settings",
    "Source",
    "all_rules",
    "beyond",
    "check",
    "check_sources",
    "default_jobs",
    "examples",
    "fix",
    "read",
    "read_baseline",
    "rules_page",
    "selected",
    "write_baseline",
]
