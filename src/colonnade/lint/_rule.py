"""The base classes of rules: a code, an explanation, two examples and a check."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding

Fixes = Literal["safe", "unsafe", "never"]


class BaseRule(ABC):
    """A rule with its documentation.

    The first paragraph of a rule's docstring describes the problem; the rest explains why it is a
    problem and what to do instead. The documentation is generated from the docstring and the
    examples, and the tests run the examples.

    Attributes:
        code: ``CLN`` and a number that never changes.
        name: Lower-case words joined by hyphens.
        fixes: Whether the rule's fixes are safe (they change nothing except the problem) or unsafe
            (they need a review), or whether it never offers a fix.
        bad: An example with the problem.
        good: The same example without it.
        source: A page that documents the problem.
        is_default: Whether it is in the default set; if not, ``select`` has to name its whole code.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    fixes: ClassVar[Fixes] = "never"
    bad: ClassVar[str] = ""
    good: ClassVar[str] = ""
    source: ClassVar[str | None] = None
    is_default: ClassVar[bool] = True

    @classmethod
    def summary(cls) -> str:
        """The problem, in one sentence."""
        return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())

    @classmethod
    def reason(cls) -> str:
        """Why it is a problem, and what to do instead."""
        return (inspect.getdoc(cls) or "").partition("\n\n")[2]


class Rule(BaseRule):
    """A rule about source code.

    In ``bad``, each line with a finding ends with a comment that is the rule's code. In ``good``
    the rule finds nothing.

    Attributes:
        in_tests: Whether to check tests, which are small and run in isolation.
        in_migrations: Whether to check Alembic migrations, which run once.
    """

    in_tests: ClassVar[bool] = True
    in_migrations: ClassVar[bool] = True

    @abstractmethod
    def check(self, context: Context) -> Iterator[Finding]:
        """Yield the findings in a module."""

    def applies(self, context: Context) -> bool:
        """Whether to check a module."""
        return (self.in_tests or not context.is_test) and (
            self.in_migrations or not context.is_migration
        )
