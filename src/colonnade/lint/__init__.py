"""A reviewer for SQLModel, SQLAlchemy and FastAPI code: it parses code and never imports it."""

from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.fixes._fixing import FixResult, fix
from colonnade.lint.project._settings import Settings
from colonnade.lint.project._sources import Source, read
from colonnade.lint.reports._rules_docs import examples, rules_page
from colonnade.lint.rules import all_rules
from colonnade.lint.runner._baseline import exclude_known, read_baseline, write_baseline
from colonnade.lint.runner._checking import check_sources
from colonnade.lint.runner._runner import Progress, Report, check, default_jobs, selected

__all__ = [
    "Edit",
    "Finding",
    "Fix",
    "FixResult",
    "Progress",
    "Report",
    "Rule",
    "Settings",
    "Source",
    "all_rules",
    "check",
    "check_sources",
    "default_jobs",
    "examples",
    "exclude_known",
    "fix",
    "read",
    "read_baseline",
    "rules_page",
    "selected",
    "write_baseline",
]
