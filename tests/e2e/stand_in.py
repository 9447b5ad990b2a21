"""The real server around a model that misbehaves on request: `python stand_in.py FOLDER`.

It loads for as long as FOLDER has no file `go`, and what it answers depends on the text before the cursor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from foretype.lsp import session
from foretype.lsp.options import Options
from foretype.lsp.serve import serve_stdio
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult
from foretype.model.progress import Progress

FOLDER = Path(sys.argv[1])


class StandIn:
    name = "stand-in"

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        text = request.prefix
        if "print" in text:
            sys.stdout.write("stray")
            sys.stdout.flush()
            os.write(1, b"stray")
            subprocess.run([sys.executable, "-c", "import sys; print('stray', sys.stdin.read())"], check=True)
        if "die" in text:
            raise ValueError(f"a bug, and here is the user's code: {text}")
        if "hang" in text:
            time.sleep(600)  # looks at no `cancel`, like a native call
        return FimResult("1", "stop", 1)

    def close(self) -> None:
        (FOLDER / "closed").touch()


def open_backend(options: Options, progress: Progress) -> StandIn:
    if options.model.name == "missing":
        raise BackendError("no model is called missing; see foretype model list")
    progress("downloading weights", 1, 4)
    while not (FOLDER / "go").exists():
        progress("downloading weights", 2, 4)
        time.sleep(0.01)
    return StandIn()


session.open_backend = open_backend
sys.exit(serve_stdio())
