"""Programs of a newer Debian for the tests, unpacked into a folder instead of installed: no root, nothing changed.

What is fetched brings its own C library, so that it runs on an older Debian too. apt checks the signatures, as for any
package; it is given lists, a cache and a state of its own. Knows nothing of the programs themselves.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_MARKER = "fetched"


def available() -> bool:
    """Whether this system has Debian's tools and keys."""
    return _KEYS.is_file() and all(map(shutil.which, ("apt-get", "dpkg-deb"))) and _architecture() == "amd64"


def _archive() -> str:
    """Where this system gets its own packages from; the newer Debian lies beside them."""
    known = _said("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages").splitlines()
    return next((uri for uri, _, release in (row.partition(" ") for row in known) if "-" not in release), "")


def program(name: str, suite: str, folder: Path) -> Path | None:
    """The path of what `fetch` left, or None where it was not fetched."""
    marker = folder / _MARKER
    return folder / name if marker.is_file() and marker.read_text() == _kind(name, suite) else None


def fetch(
    name: str,
    package: str,
    suite: str,
    folder: Path,
    environment: Mapping[str, str],
    without: Iterable[str] = (),
    libraries: Iterable[str] = (),
) -> Path:
    """Unpack a package with all it depends on, and write a script that starts its `usr/bin/NAME` with these libraries.

    In the environment {prefix} stands for the folder; `without` are patterns of packages not to unpack, `libraries`
    folders in it that hold libraries beside the usual ones. Raises subprocess.CalledProcessError where apt cannot (no
    network, no such suite).
    """
    if found := program(name, suite, folder):
        return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        for archive in _download(package, suite, Path(scratch)):
            if not any(fnmatch(archive.name.split("_")[0], pattern) for pattern in without):
                subprocess.run(["dpkg-deb", "--extract", str(archive), str(folder)], check=True)
    script = folder / name
    exports = "".join(f'export {key}="{value.format(prefix=folder)}"\n' for key, value in environment.items())
    loader = next(folder.glob("usr/lib*/**/ld-linux-x86-64.so.2"))
    searched = ":".join(f"{folder}/{each}" for each in (_LIBRARIES, "lib/x86_64-linux-gnu", *libraries))
    script.write_text(
        f'#!/bin/sh\n{exports}exec "{loader}" --library-path "{searched}" "{folder}/usr/bin/{name}" "$@"\n'
    )
    script.chmod(0o755)
    (folder / _MARKER).write_text(_kind(name, suite))
    return script


def _download(package: str, suite: str, scratch: Path) -> list[Path]:
    for each in ("lists/partial", "cache/archives/partial"):
        (scratch / each).mkdir(parents=True)
    (scratch / "status").touch()  # as if nothing were installed
    sources = scratch / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYS}] {_archive()} {suite} main\n")
    own = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "APT::Architecture": "amd64",
        "APT::Install-Recommends": "false",
        "APT::Keep-Downloaded-Packages": "true",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "DPkg::Post-Invoke": "",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in own.items())]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "--download-only", "--yes", "install", package], check=True, stdout=subprocess.DEVNULL)
    return sorted((scratch / "cache" / "archives").glob("*.deb"))


def _architecture() -> str:
    return _said("dpkg", "--print-architecture").strip()


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _kind(name: str, suite: str) -> str:
    return f"{name} of {suite}"
