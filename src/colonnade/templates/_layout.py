"""Copy a project template to a directory."""

import keyword
import re
from collections.abc import Mapping
from importlib.metadata import requires
from importlib.resources import as_file, files
from pathlib import Path

from colonnade.errors import CommandError
from colonnade.models import plural, snake

EXAMPLES = ("tasks",)
"""The complete applications that ``colonnade new --example`` offers."""

_COMMON = "common"
_STARTER = "starter"
_PROJECT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_MODEL_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_LONGEST_MODEL_NAME = 40
"""Characters, with which PostgreSQL does not shorten the constraints' names in the revision."""
_USED_NAMES = frozenset(
    ("APIRouter", "Database", "Depends", "FastAPI", "Field", "Literal", "Resource", "SQLModel",
     "Session", "Settings", "Timestamps")
)  # fmt: skip
"""Names that the generated modules import."""
_SKIPPED = frozenset(("__pycache__",))


def lay_out(
    directory: Path, name: str, *, model: str | None = None, example: str | None = None
) -> list[Path]:
    """Write a project into a directory: all of its files, or none.

    Args:
        directory: The directory, which must be empty or not exist.
        name: The name of the project.
        model: The model class of a project that is not an example; ``Item`` by default.
        example: The example to write instead of a project with a single model.

    Returns:
        The written files, relative to ``directory``.

    Raises:
        CommandError: A name is invalid, or the directory is not empty or not writable.
    """
    _check_project_name(name)
    if example is None:
        rename = _renamed(model or "Item")
    elif model is not None:
        raise CommandError(
            f"--model does not apply to --example {example}, which defines its models."
        )
    elif example in EXAMPLES:
        rename = {}
    else:
        raise CommandError(f"Unknown example {example!r}. Examples: {', '.join(EXAMPLES)}.")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CommandError(
            f"{directory} already exists and is not empty. Choose another directory."
        )
    contents = _read_template(example or _STARTER, name, rename)
    _write(directory, contents)
    return list(contents)


def _check_project_name(name: str) -> None:
    if not _PROJECT_NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is not a valid project name. Use letters, digits, dashes and underscores, "
            "starting with a letter."
        )
    if keyword.iskeyword(name.lower()):
        raise CommandError(f"{name!r} is a Python keyword. Choose another project name.")
    dependencies = {
        re.split(r"[^\w-]", requirement)[0] for requirement in requires("colonnade") or ()
    }
    if name.lower().replace("_", "-") in {"colonnade", *dependencies}:
        raise CommandError(
            f"{name!r} is the name of a package that the project needs. Choose another name."
        )


def _renamed(model: str) -> dict[str, str]:
    """The words of the starter template that depend on the model, and their replacements.

    Raises:
        CommandError: The name cannot be that of a model.
    """
    if not _MODEL_NAME.fullmatch(model) or keyword.iskeyword(model):
        raise CommandError(
            f"{model!r} is not a valid model name. Use a class name in the singular, such as Book."
        )
    rows = plural(snake(model))
    if model in _USED_NAMES or keyword.iskeyword(rows):
        raise CommandError(f"{model!r} is already used in the project. Choose another model name.")
    if len(model) > _LONGEST_MODEL_NAME:
        raise CommandError(
            f"{model!r} has {len(model)} characters. Choose a model name with at most "
            f"{_LONGEST_MODEL_NAME}."
        )
    return {"/items": f"/{rows.replace('_', '-')}", "Item": model, "items": rows,
            "item": model.lower()}  # fmt: skip


def _read_template(template: str, name: str, renamed: Mapping[str, str]) -> dict[Path, str]:
    """The files of a project and their contents."""
    words = re.compile(r"(?<![A-Za-z])(?:/items|Item|items|item)(?![A-Za-z])")

    def filled(text: str) -> str:
        text = words.sub(lambda match: renamed.get(match[0], match[0]), text)
        return text.replace("{{ name }}", name)

    contents: dict[Path, str] = {}
    for folder in (_COMMON, template):
        with as_file(files(__package__) / folder) as source:
            for path in sorted(source.rglob("*")):
                relative = path.relative_to(source)
                if path.is_dir() or _SKIPPED & set(relative.parts):
                    continue
                target = relative.with_name(filled(relative.name).replace("dot_", "."))
                contents[target] = filled(path.read_text(encoding="utf-8"))
    return contents


def _write(directory: Path, contents: Mapping[Path, str]) -> None:
    created: list[Path] = []
    try:
        for target, text in contents.items():
            folder = (directory / target).parent
            missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            created += reversed(missing)
            created.append(directory / target)
            (directory / target).write_text(text, encoding="utf-8")
    except OSError as error:
        for path in reversed(created):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        raise CommandError(f"Cannot write {directory}: {error.strerror}.") from error
