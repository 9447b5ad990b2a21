"""Tries a bundle as one who gets it does: unpacked, installed with the network cut off and an empty home, asked.

    python tools/trial.py ARCHIVE

The network is cut off by a namespace of its own, where the system lets this user have one (Linux); elsewhere what is
said names that it was not. It takes the Python that runs this.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from install import FACTS

_SOURCE = "def add(first, second):\n    return \n"
_PLACE = "2:12"
# What an installation in an empty home would not see.
_FOREIGN = ("PYTHON", "PIP_", "VIRTUAL_ENV", "XDG_", "FORETYPE_")
_TIMEOUT_S = 1800


class TrialError(Exception):
    """A bundle does not install, or does not work then. Says what was said."""


def run(archive: Path, environment: Mapping[str, str] | None = None) -> str:
    """Installs a bundle and asks for a completion; what was done, in a line. `environment` is added to the programs'.

    Raises `TrialError`.
    """
    cut, archive = cut_off(), archive.absolute()
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        folder = Path(scratch)
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "carried", filter="data")
        (unpacked,) = (folder / "carried").iterdir()
        model = json.loads((unpacked / FACTS).read_text("utf-8"))["model"]
        home, into = folder / "home", folder / "installed"
        home.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        env = kept | {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "PYTHON": sys.executable}
        env |= environment or {}
        posix = os.name == "posix"
        installer = [unpacked / "install"] if posix else [sys.executable, unpacked / "install.py"]
        _said([*cut, *installer, "--into", into], home, env)
        shutil.rmtree(unpacked)
        program = into / "env" / ("bin/foretype" if posix else "Scripts/foretype.exe")
        (home / "sum.py").write_text(_SOURCE, "utf-8")
        (home / "foretype.toml").write_text(f'[model]\nname = "{model}"\nshare = false\n', "utf-8")
        env["FORETYPE_CONFIG"] = str(home / "foretype.toml")
        answer = json.loads(_said([*cut, program, "complete", f"sum.py:{_PLACE}", "--json"], home, env))
        if "text" not in answer:
            raise TrialError(f"`foretype complete` answers {answer}")
        network = "with the network cut off" if cut else "(this system cannot cut the network off)"
        return f"installs {network}, and completes `return ` with {answer['text']!r}"


def cut_off() -> list[str]:
    """What a command is put behind to have no network at all; nothing where this system does not let this user."""
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        try:
            done = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            continue
        if done.returncode == 0:
            return command
    return []


def _said(command: list[str | Path], folder: Path, env: Mapping[str, str]) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise TrialError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    try:
        sys.stdout.write(f"{run(Path(sys.argv[1]))}\n")
    except TrialError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
