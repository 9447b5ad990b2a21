"""One client's language server: one handler per message, each a call of a plain function.

Translates between messages and `Session`. `new_server`, `begin` and `end` are the life of one, wherever its bytes come
from (`lsp/serve.py`, `lsp/tcp.py`). Importing this must stay quick, since an editor waits for `initialize`: engines,
parsers and HTTP clients are imported on the worker.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from typing import Protocol as Interface

from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcMethodNotFound
from pygls.lsp.server import LanguageServer

from foretype import __version__
from foretype.lsp.arms import Part, take_part
from foretype.lsp.edits import handlers as edit_handlers
from foretype.lsp.edits.handlers import suggestion_id
from foretype.lsp.events import Ledger, utf16_length
from foretype.lsp.host import Host
from foretype.lsp.log.recorder import Recorder, Setting, figures_of_today
from foretype.lsp.options import Options, load
from foretype.lsp.outcome import Suggestion
from foretype.lsp.protocol import Protocol, converter
from foretype.lsp.reports import StatusReports, complain
from foretype.lsp.session import Session, open_all
from foretype.lsp.watch import LoopWatch
from foretype.model.backend import Backend
from foretype.model.progress import Progress
from foretype.model.worker import trace

log = logging.getLogger(__name__)

ACCEPT = "foretype.accept"

# How often a client that cannot say goodbye is looked for, and how long a busy model may delay the end; seconds.
_WATCH_S = 1.0
_PATIENCE_S = 1.0


class Writer(Interface):
    """The way to the client. `write` gets whole messages, and raises nothing where the client is gone."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Server(LanguageServer):
    """pygls' server with a session; what has no value here is there once it serves. `alone`: the process is there for
    this client only, ends with it, and logs as it wishes."""

    protocol: Protocol
    session: Session
    host: Host
    recorder: Recorder
    loop_watch: LoopWatch
    stop: Callable[[int], None]
    exposed: Callable[[str, str], None]
    alone: bool = True
    initialization: object = None
    root: Path | None = None
    client_name: str = ""
    problems: tuple[str, ...] = ()
    watching: bool = False

    def report_server_error(self, error: Exception, source: object) -> None:
        """To the log alone: a client that asked has its answer, and one that did not cannot help it."""
        if not isinstance(error, JsonRpcMethodNotFound):
            log.error("%s in a handler\n%s", type(error).__name__, trace(error))


Handler = TypeVar("Handler", bound=Callable[..., Any])

_REGISTRATIONS: list[Callable[[Server], object]] = []


def feature(method: str, options: object = None) -> Callable[[Handler], Handler]:
    """Marks what handles a message in each server."""

    def mark(handler: Handler) -> Handler:
        _REGISTRATIONS.append(lambda server: server.feature(method, options)(handler))
        return handler

    return mark


def command(name: str) -> Callable[[Handler], Handler]:
    """Marks what a command does in each server."""

    def mark(handler: Handler) -> Handler:
        _REGISTRATIONS.append(lambda server: server.command(name)(handler))
        return handler

    return mark


def new_server() -> Server:
    """A server that knows all messages and nobody yet."""
    server = Server("foretype", __version__, protocol_cls=Protocol, converter_factory=_converter)
    for register in (*_REGISTRATIONS, edit_handlers.register):
        register(server)
    return server


# It takes a while to make, holds hooks for every type of message, and knows no client.
_converter = cache(converter)


@feature(types.INITIALIZE)
def initialize(ls: Server, params: types.InitializeParams) -> None:
    encoding = types.PositionEncodingKind(ls.workspace.position_encoding or "utf-16")
    ls.session.documents.encoding = encoding.value
    ls.root = _root(params)
    ls.session.documents.root = str(ls.root) if ls.root else None
    ls.initialization = params.initialization_options
    ls.client_name = params.client_info.name if params.client_info else ""


@feature(types.INITIALIZED)
def initialized(ls: Server, params: types.InitializedParams) -> None:
    configure(ls, None)
    if ls.alone and ls.process_id:
        threading.Thread(target=_watch, args=(ls.process_id, ls.stop), name="foretype-watch", daemon=True).start()


@feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
def did_change_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    configure(ls, params.settings)


@feature(types.TEXT_DOCUMENT_DID_OPEN)
def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    document = params.text_document
    ls.session.open(document.uri, str(document.language_id), document.version, document.text)


@feature(types.TEXT_DOCUMENT_DID_CHANGE)
def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    ls.session.change(params.text_document.uri, params.text_document.version, params.content_changes)


@feature(types.TEXT_DOCUMENT_DID_CLOSE)
def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    ls.session.close(params.text_document.uri)


@feature(types.TEXT_DOCUMENT_DID_SAVE)
def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    ls.session.saved(params.text_document.uri)


@feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
def did_change_watched_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    for change in params.changes:
        ls.session.file_changed(change.uri)


@feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
async def inline_completion(ls: Server, params: types.InlineCompletionParams) -> types.InlineCompletionList | None:
    place = params.position
    explicit = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    found = await ls.session.suggest(params.text_document.uri, place.line, place.character, explicit)
    return types.InlineCompletionList([_item(found, place)]) if found else None


@feature("textDocument/didShowCompletion")
def did_show(ls: Server, params: object) -> None:
    ls.session.ledger.shown(suggestion_id(params))


@feature("textDocument/didPartiallyAcceptCompletion")
def did_partially_accept(ls: Server, params: object) -> None:
    if (length := _accepted_length(params)) is not None:
        ls.session.ledger.accepted(suggestion_id(params), length, _length(params))


@feature("foretype/didReject")
def did_reject(ls: Server, params: object) -> None:
    ls.session.rejected(suggestion_id(params))


@feature("foretype/didMoveCursor")
def did_move_cursor(ls: Server, params: object) -> None:
    match params:
        case {"textDocument": {"uri": str(uri)}, "position": {"line": int(line)}}:
            ls.session.moved(uri, line)


@command(ACCEPT)
def accept(ls: Server, *arguments: object) -> None:
    for argument in arguments:
        ls.session.ledger.accepted(suggestion_id(argument), _accepted_length(argument))


@feature("foretype/stats")
async def stats(ls: Server, params: object) -> dict[str, float]:
    """The figures of the day so far; none where there is no log."""
    return await asyncio.to_thread(figures_of_today)


@feature("foretype/status")
def status(ls: Server, params: object) -> dict[str, object]:
    return {**ls.session.status(), "loop": ls.loop_watch.figures()}


def configure(ls: Server, settings: object) -> None:
    """Options from files, initialization and `settings`; problems are told, and what is right holds."""
    loaded = load(ls.root, ls.initialization, settings)
    if ls.alone:
        logging.getLogger("foretype").setLevel(loaded.options.log.level.upper())
    part = Part(loaded.options, {})
    if loaded.options.telemetry.enabled:  # who is not counted has nothing to try out
        part = take_part(loaded.options, ls.recorder.units(ls.root), ls.exposed)
    problems = (*loaded.problems, *part.problems)
    if news := [problem for problem in problems if problem not in ls.problems]:
        complain(ls, "\n".join(news), types.MessageType.Warning)
    ls.problems = problems
    ls.recorder.configure(_setting(ls, loaded.options, part.exposed))
    ls.session.configure(part.options)
    if ls.session.project and not ls.watching:
        ls.watching = True
        watch_files(ls)


def _setting(ls: Server, options: Options, arms: Mapping[str, str]) -> Setting:
    """What the event log has to know of the options."""
    telemetry, backend = options.telemetry, options.model.backend
    return Setting(
        enabled=telemetry.enabled,
        capture=telemetry.capture_code,
        days=telemetry.retention_days,
        mib=telemetry.max_mib,
        root=ls.root,
        client=ls.client_name,
        model=options.model_name,
        engine=options.model.engine if backend == "local" else backend,
        arms=arms,
    )


def watch_files(ls: Server) -> None:
    """Asks the client to tell of files that change on disk, where it can."""
    workspace = ls.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if not (watched and watched.dynamic_registration):
        return
    everything = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*")])
    method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    registration = types.Registration("foretype-files", method, everything)
    ls.client_register_capability(types.RegistrationParams([registration]), lambda _: None)


def begin(
    ls: Server,
    writer: Writer,
    stop: Callable[[int], None],
    post: Callable[..., None],
    open_backend: Callable[[Options, Progress], Backend] = open_all,
) -> None:
    """Gives a server what it needs for one client. `stop(status)` is told when the client has had enough; `post` calls
    a function on the event loop, from any thread. To be called on the loop."""
    ls.host = Host(post, StatusReports(ls).tell, lambda line: complain(ls, line), open_backend)
    ls.recorder = recorder = Recorder(
        lambda uri: ls.session.documents.get(uri),
        asyncio.get_running_loop().call_later,
        post,
        lambda line: complain(ls, line),
    )
    ls.exposed = lambda experiment, arm: post(recorder.exposed, experiment, arm)
    ledger = Ledger(recorder.log.heard)
    ls.session = Session(Options(), ls.host, ledger, edit_handlers.teller(ls), recorder.log)
    ls.stop = ls.protocol.on_exit = stop
    ls.protocol.on_unreadable = lambda method, params: _forget(ls, method, params)
    ls.protocol.set_writer(writer)


def end(ls: Server, patience_s: float = _PATIENCE_S) -> bool:
    """Writes what is to be written and ends the threads; False if one is stuck in foreign code. Blocks for a while."""
    ls.recorder.stop()
    host = ls.host.stop(patience_s)
    return ls.session.edits.stop(patience_s) and host


def poster(loop: asyncio.AbstractEventLoop) -> Callable[..., None]:
    """Calls a function on a loop, from any thread; not once the loop is closed, when nobody is left to be told."""

    def post(function: Callable[..., object], *args: object) -> None:
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass

    return post


def _watch(process_id: int, stop: Callable[[int], None]) -> None:
    """Ends the server when the client's process has ended; a new process with the same id is another one."""
    import psutil

    try:
        client = psutil.Process(process_id)
        while client.is_running() and client.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_WATCH_S)
    except psutil.AccessDenied:  # it is there, and that is all that can be known: the end of input has to do
        return
    except psutil.NoSuchProcess:
        pass
    stop(0)


def _forget(ls: Server, method: str, params: object) -> None:
    """A change that cannot be read leaves a text that is not the client's: better no document than a wrong one."""
    match method, params:
        case types.TEXT_DOCUMENT_DID_CHANGE, {"textDocument": {"uri": str(uri)}}:
            ls.session.close(uri)


def _root(params: types.InitializeParams) -> Path | None:
    """The first workspace folder that is a folder on disk; the first of all where none is there yet."""
    folders = [folder.uri for folder in params.workspace_folders or ()]
    candidates = [uris.to_fs_path(uri) for uri in (*folders, params.root_uri) if uri]
    paths = [Path(path) for path in (*candidates, params.root_path) if path]
    return next((path for path in paths if path.is_dir()), next(iter(paths), None))


def _item(found: Suggestion, place: types.Position) -> types.InlineCompletionItem:
    command = types.Command("Accept", ACCEPT, arguments=[{"suggestionId": found.id}])
    return types.InlineCompletionItem(found.text, range=types.Range(place, place), command=command)


def _length(params: object) -> int | None:
    """Of an item's text, in UTF-16 code units."""
    match params:
        case {"item": {"insertText": str(text)}}:
            return utf16_length(text)
    return None


def _accepted_length(params: object) -> int | None:
    match params:
        case {"acceptedLength": int(length)}:
            return length
    return None
