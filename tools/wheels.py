"""Foretype's own wheel, the same bytes for the same sources.

    python tools/wheels.py [--out dist]

It is built from a copy of the files that git knows or would take, so that nothing left over from an earlier build
gets in, with the modes and times that decide about an archive's bytes set beforehand: https://reproducible-builds.org/
What is left to differ is the version of setuptools, which requirements/build.txt locks and the wheel names, and that
of zlib, with which Python compresses.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Earlier times do not fit into a zip file: 1980-01-01.
_FIRST_TIME = 315532800
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


class BuildError(Exception):
    """Something cannot be built. The message says why."""


def build(out: Path, root: Path = ROOT) -> Path:
    """Builds the wheel of the sources in `root` into `out` and returns it. Needs no network. Raises `BuildError`."""
    with tempfile.TemporaryDirectory() as scratch:
        copy, made = Path(scratch) / "source", Path(scratch) / "made"
        made.mkdir()
        for file in sources(root):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy / file)
            (copy / file).chmod(0o644)
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch(root)), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-P", "-c", _BUILD, str(made)]
        done = subprocess.run(command, cwd=copy, env=environment, umask=0o022, capture_output=True, text=True)
        if done.returncode:
            raise BuildError(
                f"the wheel cannot be built: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}"
            )
        out.mkdir(parents=True, exist_ok=True)
        (wheel,) = made.iterdir()
        return Path(shutil.copyfile(wheel, out / wheel.name))


def sources(root: Path, folder: str = ".") -> list[str]:
    """The files of a checkout, those that git ignores left out, as paths from `root`, sorted. Raises `BuildError`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"git cannot say which files belong to {root}; a clone is needed") from error
    return sorted(name for name in _names(done.stdout) if (root / name).is_file())


def epoch(root: Path = ROOT) -> int:
    """The time that archives give their files: SOURCE_DATE_EPOCH, else the last commit's, in seconds since 1970."""
    if set_ := os.environ.get("SOURCE_DATE_EPOCH"):
        return max(int(set_), _FIRST_TIME)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True)
    return max(int(done.stdout.strip() or 0), _FIRST_TIME)


def _names(output: bytes) -> Iterator[str]:
    return (os.fsdecode(name) for name in output.split(b"\0") if name)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: %(default)s")
    try:
        wheel = build(parser.parse_args().out)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{wheel}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
