"""One archive that installs Foretype where there is no network: wheels, model, extensions for editors, an installer.

    python tools/bundle.py [--out dist] [--model NAME] [--lock openvino] [--find-links DIR] [--no-vsix] [--no-try]

    foretype-0.1.0-cp311-linux-x86_64.tar, of one folder:
        install, install.py    for POSIX, and what it runs (alone: Windows)
        requirements.txt       the lock, and Foretype's own wheel with its hash
        wheels/                what that names, for this platform and this Python
        models/FILE.gguf       built on the machine where it is installed: smaller, and judged there by its digest
        editors/               foretype.vsix, nvim/
        *.cdx.json             bills of materials
        SHA256SUMS             of everything else; the installer checks it

The same sources, lock and model give the same bytes. What is written is then installed with the network cut off and an
empty home, and asked for a completion (`trial.py`). The digest of the archive stands beside it: carry it another way.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import locks
import sbom
import trial
import wheels
from install import FACTS, SUMS

from foretype import __version__
from foretype.model import store
from foretype.model.catalogue import Entry, StoreError, catalogue, entry_named
from foretype.model.progress import terminal_progress

ROOT = Path(__file__).parent.parent
_TOOLS = Path(__file__).parent
_VSIX = ROOT / "editors" / "vscode" / "foretype.vsix"
Content = Path | bytes


@dataclass(frozen=True)
class Parts:
    """What goes into a bundle, beside what it makes itself. `model` is a verified GGUF, `wheels` a folder."""

    entry: Entry
    model: Path
    wheels: Path
    lock: str  # the text of a lock
    bills: Mapping[str, str]  # file's name -> text
    vsix: Path | None


def collect(entry: Entry, lock: str, into: Path, find_links: Path | None, vsix: bool) -> Parts:
    """Gets all parts; wheels into the folder `into`. Raises `BuildError`, `StoreError`, `LockError`, `BillError`."""
    if vsix and not _VSIX.is_file():
        raise wheels.BuildError(f"there is no {_VSIX}; run `make vsix`, or leave it out with --no-vsix")
    own = wheels.build(into)
    file = locks.FOLDER / f"{lock}.txt"
    locks.read(file)
    download(file, into, find_links)
    pinned = f"foretype=={__version__} \\\n    --hash=sha256:{hashlib.sha256(own.read_bytes()).hexdigest()}\n"
    with terminal_progress() as progress:
        model = store.pull(entry.name, progress)
    bills = {"foretype.cdx.json": sbom.text(sbom.of_server(entry, lock, into))}
    if vsix:
        bills["foretype-vscode.cdx.json"] = sbom.text(sbom.of_extension())
    return Parts(entry, model, into, file.read_text("utf-8") + pinned, bills, _VSIX if vsix else None)


def download(lock: Path, into: Path, find_links: Path | None = None) -> None:
    """Puts the wheels that a lock names into a folder: those for this platform, with the right digests alone.

    They come from the user's index, or from the folder `find_links` and nowhere else. Raises `BuildError`.
    """
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input"]
    command += ["--require-hashes", "--only-binary=:all:", "--dest", str(into), "--requirement", str(lock)]
    command += ["--no-index", "--find-links", str(find_links)] if find_links else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["pip failed"]
        raise wheels.BuildError(f"the packages cannot be had: {errors[-1].removeprefix('ERROR:').strip()}")


def pack(parts: Parts, out: Path, epoch: int) -> Path:
    """Writes the archive into the folder `out`, with its digest beside it, and returns it."""
    python, system, machine = sys.version_info, platform.system(), platform.machine()
    name = f"foretype-{__version__}-cp{python.major}{python.minor}-{system}-{machine}".lower()
    facts: dict[str, str | bool] = {
        "version": __version__,
        "python": f"{python.major}.{python.minor}",
        "system": system,
        "machine": machine,
    }
    facts |= {"model": parts.entry.name, "file": parts.entry.file, "default": parts.entry.default}
    contents: dict[str, Content] = {
        FACTS: (json.dumps(facts, indent=1) + "\n").encode(),
        "requirements.txt": parts.lock.encode(),
        "README.md": ROOT / "docs" / "closed-networks.md",
        "LICENSE": ROOT / "LICENSE",
        f"models/{parts.entry.file}": parts.model,
        **{name: _TOOLS / name for name in ("install", "install.py")},
        **{name: text.encode() for name, text in parts.bills.items()},
        **{f"wheels/{wheel.name}": wheel for wheel in parts.wheels.glob("*.whl")},
        **{file: ROOT / file for file in wheels.sources(ROOT, "editors/nvim")},
    }
    if parts.vsix:
        contents["editors/foretype.vsix"] = parts.vsix
    contents[SUMS] = "".join(f"{_sha256(contents[file])}  {file}\n" for file in sorted(contents)).encode()
    out.mkdir(parents=True, exist_ok=True)
    archive, partial = out / f"{name}.tar", out / f".{name}.tar.partial"
    try:
        with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
            for file in sorted(contents):
                _add(tar, f"{name}/{file}", contents[file], epoch)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
    (out / f"{archive.name}.sha256").write_text(f"{_sha256(archive)}  {archive.name}\n", "utf-8")
    return archive


def _add(tar: tarfile.TarFile, name: str, content: Content, epoch: int) -> None:
    """Nothing of a file but its name and its bytes decides about those of the archive."""
    info = tarfile.TarInfo(name)
    info.mtime = epoch
    info.mode = 0o755 if name.endswith("/install") else 0o644
    if isinstance(content, bytes):
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        return
    info.size = content.stat().st_size
    with content.open("rb") as file:
        tar.addfile(info, file)


def _sha256(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = next(entry.name for entry in catalogue().values() if entry.default)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: %(default)s")
    parser.add_argument("--model", default=default, help="a name of the catalogue; default: %(default)s")
    parser.add_argument("--lock", default="serve", help="which of requirements/*.txt is packed; default: %(default)s")
    parser.add_argument("--find-links", type=Path, metavar="DIR", help="take the wheels from there; no index is asked")
    parser.add_argument("--no-vsix", dest="vsix", action="store_false", help="leave the VS Code extension out")
    parser.add_argument("--no-try", dest="trial", action="store_false", help="do not install what was written")


def main() -> int:
    parser = argparse.ArgumentParser(description=re.split(r"\n\n", __doc__ or "")[0])
    try:
        add_arguments(parser)
        args = parser.parse_args()
        with tempfile.TemporaryDirectory() as scratch:
            parts = collect(entry_named(args.model), args.lock, Path(scratch), args.find_links, args.vsix)
            archive = pack(parts, args.out, wheels.epoch())
        sys.stdout.write(f"{archive}: {archive.stat().st_size / 2**20:.0f} MiB\n  sha256 {_sha256(archive)}\n")
        sys.stdout.write(f"  {trial.run(archive)}\n" if args.trial else "")
    except (wheels.BuildError, sbom.BillError, locks.LockError, StoreError, trial.TrialError) as error:
        sys.stderr.write(f"bundle: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
