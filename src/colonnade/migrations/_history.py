"""The revisions of a project and their settings for Alembic."""

import ast
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
"""The env.py and the revision template for a project without these files."""

FILE_NAMES = "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s_%%(rev)s"
"""Names of revision files: with the date first, so that they sort by age."""


def settings_of(project: Project) -> Config:
    """Alembic's settings for a project: those of its alembic.ini, by default Colonnade's.

    Raises:
        ProjectError: The configured alembic.ini does not exist.
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

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        print(history.head(), history.is_empty)  # 4edcb97abb17 False
        print(history.name("4edcb97abb17"))  # 4edcb97abb17 (first)
        ```
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.config = settings_of(project)

    @cached_property
    def script(self) -> ScriptDirectory:
        """Alembic's directory of the revisions.

        Raises:
            MigrationError: A revision cannot be read, or follows a missing one.
        """
        with translated_errors(self.folder), warnings.catch_warnings():
            # Alembic warns about a missing revision before it fails.
            warnings.filterwarnings("ignore", r"Revision \S+ referenced from", UserWarning)
            script = ScriptDirectory.from_config(self.config)
            script.get_heads()
            return script

    @property
    def folder(self) -> Path:
        """The folder of the revisions."""
        if self.project.alembic_ini is None:
            return self.project.versions
        script = ScriptDirectory.from_config(self.config)
        return Path(script.versions)

    def clear_cache(self) -> None:
        """Read the revisions again at the next access, because their files have changed."""
        for name in ("script", "revisions"):
            self.__dict__.pop(name, None)

    @property
    def has_alembic_env(self) -> bool:
        """Whether the project's ``env.py`` connects without Colonnade."""
        if self.project.alembic_ini is None:
            return False
        file = Path(ScriptDirectory.from_config(self.config).dir) / "env.py"
        return not file.is_file() or "colonnade.migrations" not in file.read_text(encoding="utf-8")

    @property
    def is_empty(self) -> bool:
        """Whether the history has no revisions."""
        return not self.revisions

    @cached_property
    def revisions(self) -> Sequence[Script]:
        """All revisions, the oldest first.

        Raises:
            MigrationError: As ``script``.
        """
        with translated_errors(self.folder):
            return tuple(self.script.walk_revisions())[::-1]

    @property
    def heads(self) -> tuple[str, ...]:
        """The newest revision of each branch."""
        return tuple(self.script.get_heads())

    def head(self) -> str | None:
        """The newest revision; None if the history is empty.

        Returns:
            The id of the revision.

        Raises:
            MigrationError: The history has several heads.
        """
        heads = self.heads
        if len(heads) > 1:
            names = " and ".join(self.name(head) for head in heads)
            raise MigrationError(
                f"The history has {len(heads)} heads: {names}. Several revisions follow the same "
                "one, as after merging two Git branches. Run `colonnade migrate --merge` to join "
                "them. If one of them has not been applied to any database yet, you can instead "
                "set its down_revision to the other."
            )
        return heads[0] if heads else None

    def has(self, revision: str) -> bool:
        """Whether the history has a revision with this id.

        Args:
            revision: The id.

        Returns:
            Whether the history has it.
        """
        return any(script.revision == revision for script in self.revisions)

    def creator_of(self, table: str) -> str | None:
        """The revision that creates a table, as ``4edcb97abb17 (first)``.

        Args:
            table: The name of the table.

        Returns:
            The id and the message of the oldest revision that names it in ``create_table``; None if
            there is none.
        """
        for script in self.revisions:
            if table in _created_tables(Path(script.path).read_text(encoding="utf-8")):
                return self.name(script.revision)
        return None

    def name(self, revision: str) -> str:
        """The id of a revision followed by its message, for messages to the user.

        Args:
            revision: The id.

        Returns:
            The id and the message, as ``4edcb97abb17 (first)``.
        """
        script = next((script for script in self.revisions if script.revision == revision), None)
        return revision if script is None else f"{revision} ({script.doc})"


def _created_tables(source: str) -> set[str]:
    """The tables that the source of a revision creates."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "create_table"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


_MISSING = re.compile(r"(?:Can't locate|No such) revision (?:identified by )?'?([^']+?)'?$")


@contextmanager
def translated_errors(folder: Path, run: "HasCurrentRevision | None" = None) -> Iterator[None]:
    """Turn Alembic's errors about a history into errors that say what to do.

    Args:
        folder: The folder of the history.
        run: The run, if revisions are running: other errors are attributed to its current one.

    Raises:
        MigrationError: Alembic or a revision failed, or a revision cannot be imported.
    """
    try:
        yield
    except MigrationError:
        raise
    except Exception as error:
        if run is None or run.current is None:
            _translate(folder, error)
            raise
        raise MigrationError(
            f"Revision {run.current} failed: {type(error).__name__}: {str(error).strip()}"
        ) from error


class HasCurrentRevision(Protocol):
    """An object with the id of the running revision."""

    current: str | None


def _translate(folder: Path, raised: Exception) -> None:
    try:
        raise raised
    except CommandError as error:
        missing = _MISSING.search(str(error))
        if missing:
            raise MigrationError(
                f"The revision {missing[1]} does not exist in {folder}. Run `colonnade history` "
                "for the revisions."
            ) from error
        raise MigrationError(f"{folder}: {error}") from error
    except KeyError as error:  # Alembic's error for a missing down_revision
        raise MigrationError(
            f"{folder}: a revision follows {error}, whose file is missing. Restore the file from "
            "version control, or ask the author of the revision for it."
        ) from error
    except (SyntaxError, ImportError, NameError, AttributeError) as error:
        raise MigrationError(
            f"A revision in {folder} cannot be read: {type(error).__name__}: {error}"
        ) from error
