"""The ways out of a sandbox that are known, tried on it before it is trusted.

Each attack is a few lines of Python that run in it and print "through" where they got what they must not have; some
are judged from outside. Knows what a sandbox promises, not how it keeps it.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foretype.eval import sandbox

_TIMEOUT_S = 20.0
_MEMORY_MIB, _FILE_MIB, _OPEN_FILES = 512, 16, 64
_OUTPUT_BYTES = 1 << 16
_DYING_S = 0.2  # that a killed process may take to be gone

# By name; `{host}` is a folder of the user's, `{port}` a server's on loopback, `{victim}` a process outside.
ATTACKS = {
    "host write": """
for path in ({host!r} + "/written", "/usr/foretype-written", "/etc/foretype-written"):
    try: open(path, "w").close()
    except OSError: pass
    else: print("through")
""",
    "network": """
import socket
try: socket.create_connection(("127.0.0.1", {port}), 2)
except OSError: pass
else: print("through")
""",
    "4 GiB allocation": """
import mmap
try: held = mmap.mmap(-1, 4 << 30)
except OSError: pass
else: print("through")
""",
    "fork bomb": """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(0.5); os._exit(0)
        made += 1
except OSError: pass
if made >= 200: print("through")
""",
    "1 GiB file": """
wrote = 0
try:
    for n in range(64):
        with open("/tmp/big%d" % n, "wb") as file:
            for _ in range(16): wrote += file.write(bytes(1 << 20))
except OSError: pass
if wrote >= 1 << 30: print("through")
""",
    "signal to the parent": """
import os, signal
for process in ({victim}, os.getppid()):
    if process > 1:
        try: os.kill(process, signal.SIGKILL)
        except OSError: pass
""",
    "another user's files": """
for path in ({host!r} + "/secret", "/etc/shadow", "/proc/{victim}/environ"):
    try: open(path).read()
    except OSError: pass
    else: print("through")
""",
    "symlink out": """
import os
os.symlink({host!r}, "/tmp/out")
for name, mode in (("secret", "r"), ("linked", "w")):
    try: open("/tmp/out/" + name, mode).close()
    except OSError: pass
    else: print("through")
""",
    "orphan daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(600)
    os._exit(0)
""",
    "endless output": """
while True: print("x" * 65536)
""",
}


@dataclass(frozen=True)
class _Outside:
    """What attacks aim at: a folder with a secret, a port that answers, a process."""

    folder: Path
    port: int
    victim: subprocess.Popen[bytes]
    mark: str


def attack(box: sandbox.Sandbox) -> list[str]:
    """The names of the attacks that got through; "start" where nothing runs in it at all."""
    with _outside() as outside:
        if _run(box, 'print("here")', outside) != "here":
            return ["start"]
        return [name for name, code in ATTACKS.items() if _through(box, name, code, outside)]


def _through(box: sandbox.Sandbox, name: str, code: str, outside: _Outside) -> bool:
    places = {"host": str(outside.folder), "port": outside.port, "victim": outside.victim.pid}
    said = _run(box, code.format(**places), outside)
    if name == "endless output":
        return len(said) > 2 * _OUTPUT_BYTES
    if name == "signal to the parent":
        time.sleep(_DYING_S)
        return outside.victim.poll() is not None
    if name == "orphan daemon":
        return _left(outside.mark)
    return "through" in said or sorted(file.name for file in outside.folder.iterdir()) != ["secret"]


def _run(box: sandbox.Sandbox, code: str, outside: _Outside) -> str:
    """What a program printed, as far as it is read: one that says more is ended."""
    argv = [*sandbox.interpreter(), "-c", code]
    limits = box.limits(_TIMEOUT_S, _MEMORY_MIB, _FILE_MIB, _OPEN_FILES)
    order = {"limits": limits, "user": box.user(), "alarm_s": math.ceil(_TIMEOUT_S), "argv": argv}
    command = box.command([*sandbox.interpreter(), sandbox.CHILD])
    child = subprocess.Popen(
        command,
        env={"FORETYPE_MARK": outside.mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin and child.stdout
    try:
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.close()
        said = child.stdout.read(_OUTPUT_BYTES)
    except OSError:
        said = b""
    finally:
        if len(said) < _OUTPUT_BYTES:
            try:
                child.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                pass
        child.kill()
        child.wait()
        child.stdout.close()
    return said.decode("utf-8", "replace").strip()


@contextmanager
def _outside() -> Iterator[_Outside]:
    with (
        tempfile.TemporaryDirectory(prefix="foretype-attack-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        secret = Path(folder) / "secret"
        secret.write_text("secret")
        secret.chmod(0o600)
        victim = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
        try:
            yield _Outside(Path(folder), server.getsockname()[1], victim, os.urandom(8).hex())
        finally:
            victim.kill()
            victim.wait()


def _left(mark: str) -> bool:
    """Whether a process that carries the mark is there for longer than it takes to die; it is ended then."""
    for _ in range(50):
        found = _marked(mark)
        if not found:
            return False
        time.sleep(0.02)
    for process in found:
        os.kill(process, signal.SIGKILL)
    return True


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # gone meanwhile, or another user's
                continue
    return found
