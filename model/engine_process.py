"""The engine process: loads one model and serves it to the windows of one user: of each its newest request, in turn.

`python -m foretype.model.engine_process SETTINGS` prints a line when it listens, and ends by itself when nobody has
needed it for a while, which gives the memory back. See `model/shared.py` for who may speak to it, and how.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil

from foretype.model.backend import Backend, Cancel, Cancelled, ContextFile, EditQuestion, FimRequest, ModelError
from foretype.model.edit_format import EditRequest
from foretype.model.fair import FairQueue
from foretype.model.shared import Message, Settings, receive, token
from foretype.model.worker import Worker, trace

log = logging.getLogger(__name__)

_NICER = 5  # what the model does is never urgent enough to slow down an editor or a build
# A window that does not say for so long whether it wants more, because it is suspended or stuck, holds up all others.
_VERDICT_S = 2.0


class EngineProcess:
    """`open_backend` takes a progress function; it is called on the worker, when the first window asks."""

    def __init__(self, open_backend: Callable[[Callable[[str, int, int], None]], Backend]) -> None:
        self._open_backend = open_backend
        self._backend: Backend | None = None
        self._worker = Worker(FairQueue())
        self._lock = threading.Lock()
        self._windows = 0
        self._used_at = self._left_at = time.monotonic()

    def serve(self, connection: Connection) -> None:
        """Speaks with one window until it goes."""
        with self._lock:
            self._windows += 1
        running = loading = _Running(0)
        try:
            while True:
                message = receive(connection)
                self._used_at = time.monotonic()
                number, do = int(message["number"]), message["do"]
                if do == "cancel" and number == running.number:
                    running.cancel.set()
                elif do == "go on" and number == running.number:
                    running.keep.put(message["keep"])
                elif do in _DO:
                    running.cancel.set()
                    running = _Running(number)
                    job = partial(self._run, _DO[do], connection, message, running)
                    # the model is loaded for all: that time is not this window's
                    self._worker.put(job, running.cancel, loading if do == "open" else connection)
        except (EOFError, OSError, ValueError, KeyError, TypeError):  # it went, or does not speak as we do
            pass
        finally:
            running.cancel.set()
            self._worker.forget(loading)
            self._worker.forget(connection)
            connection.close()
            with self._lock:
                self._windows -= 1
                self._left_at = time.monotonic()

    def needed(self, settings: Settings) -> bool:
        now = time.monotonic()
        alone = self._windows == 0 and now - self._left_at > settings.alone_s
        return not alone and now - self._used_at <= settings.idle_s

    # What follows runs on the worker.

    def _run(self, do: Any, connection: Connection, message: Message, running: _Running) -> None:
        def tell(what: str, **details: Any) -> None:
            self._used_at = time.monotonic()
            connection.send_bytes(json.dumps({"what": what, "number": running.number, **details}).encode())

        try:
            try:
                if self._backend is None:
                    self._backend = self._open_backend(partial(_progress, tell))
                tell("done", **do(self._backend, message, running, tell))
            except Cancelled:
                pass
            except _LateError:
                tell("late")
            except ModelError as error:
                tell("failed", line=str(error))
            except OSError:
                raise
            except Exception as error:
                log.error("%s\n%s", type(error).__name__, trace(error))
                tell("failed", line=f"the model failed ({type(error).__name__}); it is tried again at a later request")
        except OSError:  # the window went
            pass
        self._used_at = time.monotonic()


class _LateError(Exception):
    """The window did not say whether it wants more. Should it wake up, it asks again."""


class _Running:
    """What a window waits for: its number, its flag, and the window's verdicts on what was said so far."""

    def __init__(self, number: int) -> None:
        self.number, self.cancel = number, Cancel()
        self.keep: SimpleQueue[int | None] = SimpleQueue()
        self.cancel.on_set(lambda: self.keep.put(0))


Tell = Callable[..., None]


def _open(backend: Backend, message: Message, running: _Running, tell: Tell) -> Message:
    return {"name": backend.name, "model_sha256": getattr(backend, "model_sha256", "")}


def _complete(backend: Backend, message: Message, running: _Running, tell: Tell) -> Message:
    def stop(said: str) -> int | None:
        tell("said", text=said)
        try:
            return running.keep.get(timeout=_VERDICT_S)
        except Empty:
            raise _LateError from None

    return {"result": asdict(backend.complete(_request(message["request"], stop), running.cancel))}


def _prepare(backend: Backend, message: Message, running: _Running, tell: Tell) -> Message:
    backend.prepare(_request(message["request"]), running.cancel)
    return {}


def _edit(backend: Backend, message: Message, running: _Running, tell: Tell) -> Message:
    plain = message["question"]
    question = EditQuestion(**{**plain, "request": EditRequest.from_plain(plain["request"])})
    return {"result": asdict(backend.edit(question, running.cancel))}


_DO = {"open": _open, "complete": _complete, "prepare": _prepare, "edit": _edit}


def _request(plain: Message, stop: Callable[[str], int | None] | None = None) -> FimRequest:
    files = tuple(ContextFile(**file) for file in plain["files"])
    return FimRequest(**{**plain, "files": files, "stop": stop})


def _progress(tell: Tell, stage: str, done: int, total: int) -> None:
    tell("progress", stage=stage, done=done, total=total)


def main(settings: Settings) -> int:
    if os.name == "nt":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(_NICER)
    process = EngineProcess(settings.load)
    folder = settings.folder
    listener = Listener(authkey=token(folder))
    address = folder / "address.json"
    _write(address, json.dumps({"address": listener.address, "pid": os.getpid()}))
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    threading.Thread(target=_accept, args=(listener, process), daemon=True).start()
    while process.needed(settings):
        time.sleep(min(1.0, settings.idle_s / 4, settings.alone_s / 4))
    address.unlink(missing_ok=True)
    listener.close()
    os._exit(0)  # a worker in native code need not be waited for: there is nothing to save


def _accept(listener: Listener, process: EngineProcess) -> None:
    while True:
        try:
            connection = listener.accept()
        except (AuthenticationError, OSError, EOFError):  # somebody without the token, or who went at once
            continue
        threading.Thread(target=process.serve, args=(connection,), daemon=True).start()


def _write(path: Path, text: str) -> None:
    """In one step, so that nobody reads half of it."""
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(path)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    sys.exit(main(Settings(**json.loads(sys.argv[1]))))
