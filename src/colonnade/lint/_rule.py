"""What a rule is: a code, a reason, two examples, and a search for what it is about."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding

Fixes = Literal["safe", "unsafe", "never"]


class BaseRule(ABC):
    """What goes wrong, explained.

    The first paragraph of a rule's docstring says what it finds, the rest why that is wrong and
    what is right. The tests and the documentation are made of that and of the examples.

    Attributes:
        code: Its code, ``CLN`` and a number that stays.
        name: Its name, in words with hyphens.
        fixes: How it mends what it finds: safely (the program means the same, but for what was
            wrong), unsafely (look at it), or never.
        bad: An example of what it finds.
        good: The same, right.
        source: Where it is written that this is so.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    fixes: ClassVar[Fixes] = "never"
    bad: ClassVar[str] = ""
    good: ClassVar[str] = ""
    source: ClassVar[str | None] = None

    @classmethod
    def summary(cls) -> str:
        """What it finds, in a sentence."""
        return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())

    @classmethod
    def reason(cls) -> str:
        """Why that is wrong, and what is right."""
        return (inspect.getdoc(cls) or "").partition("\n\n")[2]


class Rule(BaseRule):
    """One thing that goes wrong in code.

    In ``bad`` the lines that it finds end with a comment that is its code; in ``good`` it finds
    nothing.

    Attributes:
        in_tests: Whether it looks at tests, which are small and run alone.
        in_migrations: Whether it looks at files of Alembic's, which run once.
    """

    in_tests: ClassVar[bool] = True
    in_migrations: ClassVar[bool] = True

    @abstractmethod
    def check(self, at: Context) -> Iterator[Finding]:
        """Find it in a module."""

    def applies(self, at: Context) -> bool:
        """Whether a module is one that it looks at."""
        return (self.in_tests or not at.is_test) and (self.in_migrations or not at.is_migration)
