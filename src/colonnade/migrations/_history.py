"""The revisions of a project, and Alembic's settings for them."""

import re
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from colonnade.errors import MigrationError
from colonnade.project import Project

ENVIRONMENT = Path(str(files("colonnade.migrations") / "environment"))
"""Alembic's env.py and template of a revision, for a project that has none."""

FILE_NAMES = "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s_%%(rev)s"
"""Of revisions: in the order they were written, wherever they are listed."""


def settings_of(project: Project) -> Config:
    """Alembic's settings for a project: its alembic.ini, if it has one, else ours.

    Raises:
        ProjectError: It names an alembic.ini that is not there.
    """
    config = Config(project.alembic_ini, cmd_opts=Namespace(quiet=True))
    if project.alembic_ini is None:
        config.set_main_option("script_location", _escaped(ENVIRONMENT))
        config.set_main_option("version_locations", _escaped(project.versions))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("file_template", FILE_NAMES)
    config.attributes["project"] = project
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


class History:
    """The revisions of a project.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.config = settings_of(project)

    @cached_property
    def script(self) -> ScriptDirectory:
        """Alembic's view of them.

        Raises:
            MigrationError: A revision cannot be read, or follows one that is not there.
        """
        with explained(self.folder), warnings.catch_warnings():
            # Of a revision that is not there, Alembic warns before it fails.
            warnings.filterwarnings("ignore", r"Revision \S+ referenced from", UserWarning)
            script = ScriptDirectory.from_config(self.config)
            script.get_heads()
            return script

    @property
    def folder(self) -> Path:
        """Where they are."""
        if self.project.alembic_ini is None:
            return self.project.versions
        script = ScriptDirectory.from_config(self.config)
        return Path(script.versions)

    def forget(self) -> None:
        """Its files have changed: read them again when they are next asked for."""
        for name in ("script", "revisions"):
            self.__dict__.pop(name, None)

    @property
    def is_foreign(self) -> bool:
        """Whether the project has an ``env.py`` that does not ask Colonnade for its connection."""
        if self.project.alembic_ini is None:
            return False
        file = Path(ScriptDirectory.from_config(self.config).dir) / "env.py"
        return not file.is_file() or "colonnade.migrations" not in file.read_text(encoding="utf-8")

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self.revisions

    @cached_property
    def revisions(self) -> Sequence[Script]:
        """All, the oldest first.

        Raises:
            MigrationError: As ``script``.
        """
        with explained(self.folder):
            return tuple(self.script.walk_revisions())[::-1]

    @property
    def heads(self) -> tuple[str, ...]:
        """The newest of each branch."""
        return tuple(self.script.get_heads())

    def head(self) -> str | None:
        """The newest revision; None if there is none.

        Raises:
            MigrationError: There are several.
        """
        heads = self.heads
        if len(heads) > 1:
            names = " and ".join(self.name(head) for head in heads)
            raise MigrationError(
                f"The history has {len(heads)} heads: {names}. Two revisions follow the same one, "
                "as after a merge of two branches. If neither was applied anywhere else, set the "
                "down_revision of the later to the earlier; else join them: colonnade migrate "
                "--merge."
            )
        return heads[0] if heads else None

    def has(self, revision: str) -> bool:
        """Whether there is such a revision."""
        return any(script.revision == revision for script in self.revisions)

    def name(self, revision: str) -> str:
        """A revision as people know it: its id and its message."""
        script = next((script for script in self.revisions if script.revision == revision), None)
        return revision if script is None else f"{revision} ({script.doc})"


_MISSING = re.compile(r"(?:Can't locate|No such) revision (?:identified by )?'?([^']+?)'?$")


@contextmanager
def explained(folder: Path, run: "HasCurrent | None" = None) -> Iterator[None]:
    """Say what Alembic says of a history in words that tell what to do.

    Args:
        folder: Where the history is.
        run: What is going through it: an error of a revision is that revision's.

    Raises:
        MigrationError: Instead of Alembic's errors, and those of revisions that cannot be
            imported.
    """
    try:
        yield
    except MigrationError:
        raise
    except Exception as error:
        if run is None or run.current is None:
            _explain(folder, error)
            raise
        raise MigrationError(
            f"Revision {run.current} fails: {type(error).__name__}: {str(error).strip()}"
        ) from error


class HasCurrent(Protocol):
    """What is at some revision."""

    current: str | None


def _explain(folder: Path, raised: Exception) -> None:
    try:
        raise raised
    except CommandError as error:
        match = _MISSING.search(str(error))
        if match:
            raise MigrationError(
                f"Unknown revision {match[1]} in {folder}. Run `colonnade history` for the list."
            ) from error
        raise MigrationError(f"{folder}: {error}") from error
    except KeyError as error:  # what Alembic raises of a down_revision that is not there
        raise MigrationError(
            f"{folder}: a revision follows {error}, which does not exist. Restore its file "
            "from version control or from its author."
        ) from error
    except (SyntaxError, ImportError, NameError, AttributeError) as error:
        raise MigrationError(
            f"A revision in {folder} cannot be read: {type(error).__name__}: {error}"
        ) from error
