"""``--format json``: the result of a command, or its error, as the only standard output."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from enum import Enum
from typing import Annotated, Any, TextIO, TypeVar

import typer
from pydantic import TypeAdapter
from typer.exceptions import TyperException

from colonnade.cli import _console
from colonnade.cli._reports import ErrorDetails, ErrorReport, GuardFinding
from colonnade.errors import ColonnadeError

ReportT = TypeVar("ReportT")

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class OutputFormat(str, Enum):  # noqa: UP042 - typer shows its values
    """The output format."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[OutputFormat, typer.Option("--format", help="The output format.")]

_documents: TextIO | None = None
"""Where documents go while everything else is on standard error; None for standard output."""


def present(
    report: ReportT, output_format: OutputFormat, as_text: Callable[[ReportT], None]
) -> None:
    """Print the result of a command.

    Args:
        report: The result, a dataclass.
        output_format: The format.
        as_text: Prints it for people.
    """
    if output_format is OutputFormat.JSON:
        write_document(TypeAdapter(type(report)).dump_json(report, indent=2).decode())
    else:
        as_text(report)


def write_document(text: str) -> None:
    """Write the output that a program reads, in UTF-8 whatever the locale is."""
    stream = _documents or sys.stdout
    if hasattr(stream, "buffer"):
        stream.flush()
        stream.buffer.write(f"{text}\n".encode())
    else:  # a stream of text in memory
        stream.write(f"{text}\n")
    stream.flush()


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, known before it is parsed, for errors in it."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(pair == ("--format", "json") or pair[0] == "--format=json" for pair in pairs)


@contextmanager
def only_documents() -> Iterator[None]:
    """Send what revisions and modules of the project print to standard error."""
    global _documents  # noqa: PLW0603 - standard output is one as well
    _documents = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _documents = None


def run_with_json(command: Callable[..., Any]) -> int:
    """Run a command line that asks for JSON, and return its exit code.

    Its errors are documents, too, and stay on standard error for people. An error that is a bug
    keeps its traceback.

    Args:
        command: The typer application.
    """
    with only_documents():
        try:
            code = int(command(prog_name="colonnade", standalone_mode=False) or 0)
        except TyperException as error:
            message = _console.escaped(without_passwords(str(error)))
            _console.err.print(f"[bold red]error:[/bold red] {message}")
            _fail("UsageError", error.format_message())
            return error.exit_code
        except typer.Abort:
            code = INTERRUPTED
        except ColonnadeError as error:
            _fail(type(error).__name__, str(error), findings_of(getattr(error, "findings", ())))
            raise
        except SystemExit as error:  # of the application or a revision
            _fail("SystemExit", f"The program ended itself: {error.code}.")
            return 1
        except Exception as error:
            _fail(type(error).__name__, str(error))
            raise
        if code == INTERRUPTED:
            _fail("Interrupted", "The command was interrupted.")
        return code


def _fail(name: str, message: str, findings: tuple[GuardFinding, ...] = ()) -> None:
    report = ErrorReport(ErrorDetails(name, without_passwords(message), findings))
    present(report, OutputFormat.JSON, print)


def without_passwords(text: str) -> str:
    """A text without the passwords of URLs, such as that of a URL in the wrong place."""
    text = re.sub(r"(://[^\s/:@]*):[^\s]*@", r"\1:***@", text)
    # Of a URL that has been cut, such as at its @. A number is a port.
    return re.sub(r"(://[^\s/:@]+):(?!\*|\d+(?:[/\s]|$))[^\s/@]+", r"\1:***", text)


def findings_of(findings: Iterable[Any]) -> tuple[GuardFinding, ...]:
    """The findings of the guard as they are printed."""
    return tuple(
        GuardFinding(
            name=finding.name,
            revision=finding.revision,
            step=finding.step,
            why=finding.why,
            instead=finding.instead,
            can_be_allowed=finding.kind != "fails",
        )
        for finding in findings
    )
