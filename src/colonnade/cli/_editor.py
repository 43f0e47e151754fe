"""``colonnade check --lsp``: a language server with findings as diagnostics, and quick fixes."""

import asyncio
from pathlib import Path

from colonnade.errors import CheckError, ColonnadeError

try:
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer
    from pygls.uris import to_fs_path
    from pygls.workspace import TextDocument
except ImportError:
    raise CheckError(
        "The language server needs pygls, which is not installed: pip install 'colonnade[lsp]'"
    ) from None

from colonnade import __version__, lint

DEBOUNCE = 0.3  # seconds without a change before a document is checked
CHECKED_SUFFIXES = (".py", ".pyi", ".md", ".markdown")


class Editor(LanguageServer):
    """A language server that checks the open documents, unsaved changes included."""

    def __init__(self) -> None:
        super().__init__("colonnade", __version__)
        self._scheduled: dict[str, asyncio.Task[None]] = {}
        self._check_lock = asyncio.Lock()
        self._findings: dict[str, list[lint.Finding]] = {}

    def changed(self, uri: str, *, delay: float = DEBOUNCE) -> None:
        """Check a changed document after a delay without another change."""
        if uri in self._scheduled:
            self._scheduled.pop(uri).cancel()
        self._scheduled[uri] = asyncio.ensure_future(self._check_later(uri, delay))

    def closed(self, uri: str) -> None:
        """Remove the findings of a closed document."""
        if uri in self._scheduled:
            self._scheduled.pop(uri).cancel()
        self._findings.pop(uri, None)
        self._publish(uri, [])

    def fixes(self, uri: str, selection: types.Range) -> list[types.CodeAction]:
        """The quick fixes for the findings in a range of a document."""
        document = self.workspace.get_text_document(uri)
        actions = []
        for finding in self._findings.get(uri, []):
            diagnostic = self._diagnostic(document, finding)
            overlaps = (
                diagnostic.range.start.line <= selection.end.line
                and selection.start.line <= diagnostic.range.end.line
            )
            if finding.fix is not None and overlaps:
                changes = [
                    types.TextEdit(self._span(document, edit.start, edit.end), edit.text)
                    for edit in finding.fix.edits
                ]
                actions.append(
                    types.CodeAction(
                        title=f"{finding.fix.message} ({finding.code})",
                        kind=types.CodeActionKind.QuickFix,
                        diagnostics=[diagnostic],
                        is_preferred=finding.fix.safe,
                        edit=types.WorkspaceEdit(changes={uri: changes}),
                    )
                )
        return actions

    async def _check_later(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        path = Path(to_fs_path(uri) or "")
        if path.suffix not in CHECKED_SUFFIXES:
            return
        contents = {
            Path(to_fs_path(uri) or ""): document.source.encode()
            for uri, document in self.workspace.text_documents.items()
        }
        async with self._check_lock:
            try:
                findings = await asyncio.to_thread(_check, path, contents)
            except ColonnadeError as error:
                self.window_log_message(
                    types.LogMessageParams(types.MessageType.Error, f"colonnade: {error}")
                )
                return
        self._findings[uri] = findings
        document = self.workspace.get_text_document(uri)
        self._publish(uri, [self._diagnostic(document, finding) for finding in findings])

    def _publish(self, uri: str, diagnostics: list[types.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=diagnostics)
        )

    def _diagnostic(self, document: TextDocument, finding: lint.Finding) -> types.Diagnostic:
        start = types.Position(finding.line - 1, finding.column - 1)
        end = types.Position(
            max(finding.end_line, finding.line) - 1, max(finding.end_column, 1) - 1
        )
        rule = next((rule for rule in lint.all_rules() if rule.code == finding.code), None)
        source = rule.source if rule is not None else None
        advice = f"\n{finding.advice}" if finding.advice else ""
        return types.Diagnostic(
            range=document.position_codec.range_to_client_units(
                document.lines, types.Range(start, end)
            ),
            message=f"{finding.message}{advice}",
            severity=types.DiagnosticSeverity.Warning,
            code=finding.code,
            code_description=types.CodeDescription(source) if source else None,
            source="colonnade",
        )

    def _span(self, document: TextDocument, start: int, end: int) -> types.Range:
        source = lint.read(document.source.encode(), Path(document.path).suffix)
        first, last = source.position(start), source.position(end)
        span = types.Range(
            types.Position(first[0] - 1, first[1] - 1), types.Position(last[0] - 1, last[1] - 1)
        )
        return document.position_codec.range_to_client_units(document.lines, span)


def _check(path: Path, contents: dict[Path, bytes]) -> list[lint.Finding]:
    settings = lint.Settings.find(path.parent)
    return lint.check(settings, [path], contents=contents).findings


def make_server() -> Editor:
    """Create the language server with its handlers."""
    server = Editor()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: Editor, params: types.DidOpenTextDocumentParams) -> None:
        ls.changed(params.text_document.uri, delay=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: Editor, params: types.DidChangeTextDocumentParams) -> None:
        ls.changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(ls: Editor, params: types.DidSaveTextDocumentParams) -> None:
        ls.changed(params.text_document.uri, delay=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: Editor, params: types.DidCloseTextDocumentParams) -> None:
        ls.closed(params.text_document.uri)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    def actions(ls: Editor, params: types.CodeActionParams) -> list[types.CodeAction]:
        return ls.fixes(params.text_document.uri, params.range)

    return server


def serve() -> None:
    """Serve the editor on standard input and output until it disconnects."""
    make_server().start_io()
