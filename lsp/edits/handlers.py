"""The messages about next edits: `textDocument/copilotInlineEdit`, which clients know already, and our own.

`register` adds the handlers to a server; each is a call of `session.edits`. Positions are in the client's encoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foretype.context.next_edit import Diagnostic, Span
from foretype.context.text import Encoding, units_from_column
from foretype.lsp.documents import path_inside
from foretype.lsp.edits.live import LiveEdit
from foretype.lsp.edits.present import Present
from foretype.lsp.edits.session import Listing

if TYPE_CHECKING:
    from foretype.lsp.server import Server

ACCEPT_EDIT = "foretype.acceptEdit"
FOUND = "foretype/didFindNextEdits"

# LSP 3.18, InlineCompletionTriggerKind; other clients send it with next edits as well.
_INVOKED = 1

_Pair = tuple[LiveEdit, Present]


def register(server: Server) -> None:
    """Adds the handlers. Those of requests are asynchronous, so that a client can take a request back."""

    @server.feature("textDocument/copilotInlineEdit")
    async def inline_edit(ls: Server, params: object) -> dict[str, object]:
        """The document's edits come first, since clients draw the first one into the document that they asked about;
        those of other open documents follow, if there is one here."""
        uri, line, explicit = _asked(params)
        if not uri or not await ls.session.edits.asked(uri, line, explicit):
            return {"edits": []}
        pairs = [(live, text) for live, text in ls.session.edits.listing().edits if text.version is not None]
        here = [pair for pair in pairs if pair[1].uri == uri]
        others = [pair for pair in pairs if pair[1].uri != uri] if here else []
        encoding = ls.session.documents.encoding
        return {"edits": [_inline(live, text, encoding) for live, text in (*here, *others)]}

    @server.feature("foretype/nextEdits")
    async def next_edits(ls: Server, params: object) -> dict[str, object]:
        """All of them, wherever they are: as they stand now, or, where the user asks for it, once they are known."""
        uri, line, explicit = _asked(params)
        if explicit:
            await ls.session.edits.asked(uri, line, explicit)
        return described(ls.session.edits.listing(), ls.session.documents.encoding)

    @server.feature("foretype/applyAll")
    def apply_all(ls: Server, params: object) -> dict[str, object]:
        """One edit of the workspace with all proposals, or with those in `suggestionIds`; without an edit, and with the
        problems, where one of them cannot be applied."""
        found = ls.session.edits.applicable(_ids(params))
        encoding = ls.session.documents.encoding
        problems = [{"path": path, "reason": reason} for path, reason in found.problems.items()]
        said = [f"{path} {reason}" if path else f"a proposal {reason}" for path, reason in found.problems.items()]
        message = f"nothing was applied: {'; '.join(said)}" if said else ""
        return {
            "edit": workspace_edit(found.edits, encoding) if found.edits else None,
            "edits": [_own(live, text, encoding) for live, text in found.edits],
            "command": _accept(*(live.id for live, _ in found.edits)) if found.edits else None,
            "problems": problems,
            "message": message,
        }

    @server.feature("textDocument/didShowInlineEdit")
    def did_show(ls: Server, params: object) -> None:
        ls.session.edits.shown(suggestion_id(params))

    @server.feature("foretype/didChangeDiagnostics")
    def did_change_diagnostics(ls: Server, params: object) -> None:
        match params:
            case {"uri": str(uri), "diagnostics": list(found)}:
                path = path_inside(uri, ls.session.documents.root)
                if path:
                    ls.session.edits.diagnosed(uri, tuple(_diagnostics(path, found)))

    @server.command(ACCEPT_EDIT)
    def accept_edit(ls: Any, *arguments: object) -> None:
        """The client has applied the edit; what is left to do is to count it."""
        for argument in arguments:
            ls.session.edits.accepted(suggestion_id(argument))


def teller(server: Server) -> Callable[[Listing], None]:
    """Tells the client of the list, unless it is what the client was told last."""
    told: dict[str, object] = described(Listing(), "utf-16")

    def tell(listing: Listing) -> None:
        nonlocal told
        now = described(listing, server.session.documents.encoding)
        if now != told:
            told = now
            server.protocol.notify(FOUND, now)

    return tell


def described(listing: Listing, encoding: Encoding) -> dict[str, object]:
    """What `foretype/nextEdits` answers."""
    return {
        "edits": [_own(live, text, encoding) for live, text in listing.edits],
        "complete": listing.complete,
        "capped": listing.capped,
        "note": listing.note,
    }


def workspace_edit(pairs: Sequence[_Pair], encoding: Encoding) -> dict[str, object]:
    """A `WorkspaceEdit` with versions and change annotations (LSP 3.18)."""
    files: dict[str, list[_Pair]] = {}
    for pair in pairs:
        files.setdefault(pair[1].uri, []).append(pair)
    kinds = Counter(live.edit.reason for live, _ in pairs)
    return {
        "documentChanges": [
            {
                "textDocument": {"uri": uri, "version": edits[0][1].version},
                "edits": [
                    {
                        "range": _range(live.standing.span, text, encoding),
                        "newText": live.standing.new,
                        "annotationId": live.edit.reason,
                    }
                    for live, text in sorted(edits, key=lambda pair: _begin(pair[0].standing.span))
                ],
            }
            for uri, edits in files.items()
        ],
        "changeAnnotations": {
            kind: {
                "label": f"Foretype: {kind}",
                "description": f"{count} {'place' if count == 1 else 'places'}",
                "needsConfirmation": False,
            }
            for kind, count in kinds.items()
        },
    }


def suggestion_id(params: object) -> str:
    """From a command's argument or a notification about an item; "" where there is none."""
    match params:
        case {"suggestionId": str(known)}:
            return known
        case {"item": {"command": {"arguments": [{"suggestionId": str(known)}, *_]}}}:
            return known
    return ""


def _inline(live: LiveEdit, text: Present, encoding: Encoding) -> dict[str, object]:
    return {
        "text": live.standing.new,
        "textDocument": {"uri": text.uri, "version": text.version},
        "range": _range(live.standing.span, text, encoding),
        "command": _accept(live.id),
    }


def _own(live: LiveEdit, text: Present, encoding: Encoding) -> dict[str, object]:
    """`oldText` is what has to be under the range where the edit is applied."""
    return {
        "id": live.id,
        "path": live.path,
        "uri": text.uri,
        "version": text.version,
        "range": _range(live.standing.span, text, encoding),
        "oldText": live.standing.old,
        "text": live.standing.new,
        "lane": live.edit.lane,
        "reason": live.edit.reason,
        "why": live.edit.why,
        "confidence": round(live.edit.confidence, 4),
        "command": _accept(live.id),
    }


def _accept(*ids: str) -> dict[str, object]:
    return {"title": "Accept", "command": ACCEPT_EDIT, "arguments": [{"suggestionId": one} for one in ids]}


def _range(span: Span, text: Present, encoding: Encoding) -> dict[str, object]:
    def position(line: int, column: int) -> dict[str, int]:
        return {"line": line, "character": units_from_column(text.lines[line], column, encoding)}

    return {"start": position(*_begin(span)), "end": position(span.end_line, span.end_column)}


def _begin(span: Span) -> tuple[int, int]:
    return span.start_line, span.start_column


def _asked(params: object) -> tuple[str, int, bool]:
    """Document, line, and whether the user asked for it; "" for a request that names no document."""
    match params:
        case {"textDocument": {"uri": str(uri)}, "position": {"line": int(line)}}:
            context = params.get("context") if isinstance(params, Mapping) else None
            return uri, line, isinstance(context, Mapping) and context.get("triggerKind") == _INVOKED
    return "", 0, False


def _ids(params: object) -> list[str] | None:
    match params:
        case {"suggestionIds": list(ids)}:
            return [one for one in ids if isinstance(one, str)]
    return None


def _diagnostics(path: str, found: Sequence[Any]) -> Iterator[Diagnostic]:
    """What of them has a place; lines are exclusive at their end."""
    for one in found:
        match one:
            case {"range": {"start": {"line": int(first)}, "end": {"line": int(last)}}, "message": str(message)}:
                source, code = one.get("source"), one.get("code")
                yield Diagnostic(path, first, last + 1, message, str(source or ""), str("" if code is None else code))
