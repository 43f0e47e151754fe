"""The language server, as an editor uses it."""

import asyncio
import sys
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.lint.project.test_sources import RIGHT, WRONG


async def edit_project(project: Path) -> None:
    client = LanguageClient("test", "1")
    published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]  # pygls has no types there
    def on_publish(params: types.PublishDiagnosticsParams) -> None:
        published.put_nowait(params)

    uri = (project / "engine.py").as_uri()
    await client.start_io(sys.executable, "-m", "colonnade", "check", "--lsp")
    try:
        await client.initialize_async(
            types.InitializeParams(capabilities=types.ClientCapabilities(), root_uri=None)
        )
        client.initialized(types.InitializedParams())
        document = types.TextDocumentItem(uri, "python", 1, "# 🏛 größe\n" + WRONG)
        client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        (diagnostic,) = (await asyncio.wait_for(published.get(), 20)).diagnostics
        assert (diagnostic.code, diagnostic.source) == ("CLN404", "colonnade")
        assert (diagnostic.range.start, diagnostic.range.end) == (
            types.Position(3, 36),
            types.Position(3, 47),
        )

        actions = await client.text_document_code_action_async(
            types.CodeActionParams(
                types.TextDocumentIdentifier(uri),
                diagnostic.range,
                types.CodeActionContext([diagnostic]),
            )
        )
        assert actions is not None
        (action,) = actions
        assert isinstance(action, types.CodeAction)
        assert (action.title, action.is_preferred) == ("Remove `pool_size` (CLN404)", True)
        assert action.edit is not None
        assert action.edit.changes is not None
        (edit,) = action.edit.changes[uri]
        assert (edit.range.start, edit.new_text) == (types.Position(3, 34), "")

        # The content of the editor is checked, not the file on disk.
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(2, uri),
                [types.TextDocumentContentChangeWholeDocument(RIGHT)],
            )
        )
        assert not (await asyncio.wait_for(published.get(), 20)).diagnostics
        client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
        )
        assert not (await asyncio.wait_for(published.get(), 20)).diagnostics
        await client.shutdown_async(None)
    finally:
        client.exit(None)  # ends the server even if it was not shut down
        await asyncio.wait_for(client.stop(), 20)  # type: ignore[no-untyped-call]  # nor there


@pytest.mark.slow
def test_an_editor_shows_findings_and_applies_fixes(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    asyncio.run(edit_project(tmp_path))
