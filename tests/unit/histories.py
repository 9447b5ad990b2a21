"""Made-up repositories for tests of mining, written by one `git fast-import` each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


@dataclass(frozen=True)
class Made:
    """A commit to be made. `files` by path: contents, None to delete, or (mode, contents). `merges`: index of a second
    parent among the commits made before."""

    files: Mapping[str | bytes, bytes | str | tuple[str, bytes] | None]
    message: str = "Count the words that are left"
    author: str = "Ada <ada@example.org>"
    time: int = 1_700_000_000
    merges: int | None = None
    extra: Sequence[str] = field(default=())


def repository(path: Path, commits: Sequence[Made], *options: str) -> Path:
    """A bare repository at `path` with the commits in a row on the branch that HEAD names."""
    git(path.parent, "init", "-q", "--bare", "-b", "main", *options, path.name)
    stream = bytearray()
    for number, made in enumerate(commits, 1):
        message = made.message.encode()
        stream += f"commit refs/heads/main\nmark :{number}\n".encode()
        stream += f"author {made.author} {made.time} +0000\ncommitter {made.author} {made.time} +0000\n".encode()
        stream += b"data %d\n%s\n" % (len(message), message)
        if made.merges is not None:
            stream += f"merge :{made.merges + 1}\n".encode()
        for name, contents in made.files.items():
            quoted = _quoted(name)
            if contents is None:
                stream += b"D %s\n" % quoted
                continue
            mode, text = contents if isinstance(contents, tuple) else ("100644", contents)
            data = text.encode() if isinstance(text, str) else text
            if mode == "160000":
                stream += b"M 160000 %s %s\n" % (data, quoted)
                continue
            stream += b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), quoted, len(data), data)
    if commits:
        git(path, "fast-import", "--quiet", "--date-format=raw-permissive", stdin=bytes(stream))
    return path


def git(folder: Path, *words: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", *words], cwd=folder, input=stdin, capture_output=True, env=ENVIRONMENT, check=True)
    return done.stdout.decode().strip()


def _quoted(name: str | bytes) -> bytes:
    data = name.encode() if isinstance(name, str) else name
    return b'"%s"' % b"".join(
        b"\\%03o" % byte if byte < 32 or byte in b'"\\' or byte > 126 else bytes([byte]) for byte in data
    )
