"""llama.cpp's server for the tests, where the system is a Debian: running this file fetches it.

FORETYPE_LLAMA_SERVER names another one. It is given the weights that the catalogue's default model is built from.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import debian

from foretype.model import store

NAME, PACKAGE = "llama-server", "llama.cpp"
SUITES = ("forky", "sid")  # the first release that has it, and where it comes from while that one is in the making
FOLDER = Path(sys.prefix) / "llama.cpp"
_PRIVATE = "usr/lib/x86_64-linux-gnu/llama"
# one of the many that it would choose from: Haswell's instructions are those that a CI machine has for certain
_ENVIRONMENT = {"GGML_BACKEND_PATH": "{prefix}/usr/lib/x86_64-linux-gnu/ggml/backends0/libggml-cpu-haswell.so"}


def program() -> Path | None:
    """The program's path, or None where it is not there."""
    if named := os.environ.get("FORETYPE_LLAMA_SERVER"):
        return Path(named)
    return next(filter(None, (debian.program(NAME, suite, FOLDER) for suite in SUITES)), None)


def weights() -> Path | None:
    """The default model's GGUF, or None where it was not pulled."""
    default = next(row for row in store.listing() if row.default)
    return next(iter(sorted(default.folder.glob("*.gguf"))), None) if default.pulled else None


def start(port: int, *options: str) -> subprocess.Popen[bytes]:
    """A server of one thread on this machine, with the weights and room for 2,048 tokens in all; it is still loading.

    It ends when its standard input does, and with this process. Raises FileNotFoundError where one of the two is not
    there.
    """
    found, model = program(), weights()
    if found is None or model is None:
        raise FileNotFoundError("run tests/e2e/llama_server.py and foretype model pull")
    command = [str(found), "-m", str(model), "-c", "2048", "-t", "1", "--host", "127.0.0.1", "--port", str(port)]
    silent = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, *options], **silent)


def is_well(url: str) -> bool:
    """Whether it has loaded its model."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def fetch() -> Path:
    """Raises subprocess.CalledProcessError where apt cannot."""
    if found := program():
        return found
    for suite in SUITES[:-1]:
        with contextlib.suppress(subprocess.CalledProcessError):
            return debian.fetch(NAME, PACKAGE, suite, FOLDER, _ENVIRONMENT, libraries=[_PRIVATE])
    return debian.fetch(NAME, PACKAGE, SUITES[-1], FOLDER, _ENVIRONMENT, libraries=[_PRIVATE])


if __name__ == "__main__" and debian.available():
    sys.stdout.write(f"{fetch()}\n")
