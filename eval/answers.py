"""What a model said, kept in a file, so that a run that was cut off or has a changed scorer asks for nothing twice.

    {"key": sha256, "took_ms": 812.5, "complete": {...}}        one line an answer; "edit" for an edit's

The key covers which model was asked, with which adapter, and all of the request: text, layout and limits. It does not
cover the version of the engine: to measure a changed engine, take another file. An answer from the file comes at once;
what it took when it was made is added to `saved_ms`, which `clock_ms` adds to the time. Judges nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from foretype.model.backend import Backend, BackendError, Cancel, EditQuestion, EditResult, FimRequest, FimResult

_Result = TypeVar("_Result", FimResult, EditResult)


class Kept:
    """The backend, asked only for what is not in the file yet. Its other attributes are the backend's own.

    Raises `BackendError` if the file cannot be read or written.
    """

    def __init__(self, backend: Backend, path: Path) -> None:
        self._backend, self._path = backend, path
        self.name = backend.name
        self.saved_ms = 0.0
        self._model = identity(backend)
        try:
            self._file = path.open("a+", encoding="utf-8", newline="\n")
            self._known = self._read()
        except (OSError, UnicodeDecodeError) as error:
            backend.close()
            raise BackendError(f"--answers {path} cannot be used ({error}); name another file") from error

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        if request.stop is not None:  # a function has no digest
            return self._backend.complete(request, cancel)
        key = self._key("complete", request)
        if (known := self._remembered(key, "complete", FimResult)) is not None:
            return known
        started = time.perf_counter()
        return self._keep(key, "complete", self._backend.complete(request, cancel), started)

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        key = self._key("edit", question)
        if (known := self._remembered(key, "edit", EditResult)) is not None:
            return known
        started = time.perf_counter()
        return self._keep(key, "edit", self._backend.edit(question, cancel), started)

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        self._backend.prepare(request, cancel)

    def close(self) -> None:
        self._file.close()
        self._backend.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def _key(self, kind: str, request: FimRequest | EditQuestion) -> str:
        asked = [self._model, kind, asdict(request)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _remembered(self, key: str, kind: str, of: type[_Result]) -> _Result | None:
        row = self._known.get(key)
        try:
            values = {field.name: _frozen(row[kind][field.name]) for field in fields(of)} if row else None
            took_ms = float(row["took_ms"]) if row else 0.0
        except (KeyError, TypeError, ValueError):
            return None  # of a version that knew less: asked again
        self.saved_ms += took_ms
        return of(**values) if values else None

    def _keep(self, key: str, kind: str, result: _Result, started: float) -> _Result:
        row = {"key": key, "took_ms": 1000 * (time.perf_counter() - started), kind: asdict(result)}
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as error:
            raise BackendError(f"{self._path} cannot be written ({error.strerror}): make room and run again") from error
        self._known[key] = row
        return result

    def _read(self) -> dict[str, dict[str, Any]]:
        """The rows of the file; what a run that was cut off left in its last line is no row."""
        self._file.seek(0)
        known, line = {}, ""
        for line in self._file:
            try:
                row = json.loads(line)
                known[str(row["key"])] = row
            except (ValueError, KeyError, TypeError):
                continue
        if line and not line.endswith("\n"):
            self._file.write("\n")
        return known


def kept(backend: Backend, path: Path | None) -> Backend:
    """The backend, with its answers kept in a file if there is to be one. Raises `BackendError`."""
    return Kept(backend, path) if path else backend


def identity(backend: Backend) -> str:
    """Which model answers: its name, and the digests of its weights and its adapter as far as they are known."""
    digests = (str(getattr(backend, name, "") or "") for name in ("model_sha256", "adapter_sha256"))
    return " ".join(filter(None, (backend.name, *digests)))


def clock_ms(backend: Backend | None) -> float:
    """Milliseconds that pass while the backend answers, even if the answer is one from the file."""
    return 1000 * time.perf_counter() + float(getattr(backend, "saved_ms", 0.0))


def _frozen(value: Any) -> Any:
    """As the results have it: tuples for JSON's lists."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
