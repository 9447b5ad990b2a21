"""The locked dependencies: what `requirements/*.txt` hold, whether they are what pyproject.toml asks for, and locking.

    python tools/locks.py            lock what pyproject.toml asks for, keeping the versions that are locked already
    python tools/locks.py --upgrade  take the newest versions
    python tools/locks.py --check    say where locks and pyproject.toml disagree; needs no network

A lock is a requirements file by `uv pip compile`: each package at one version for each environment (Linux, macOS,
Windows; Python 3.11 and newer), with the SHA-256 of all its files, so that pip installs these bytes or none. It names
no index: the user's own settings hold. Whether a version has known holes is `make audit`'s business.

`tools/` holds what makes a release. It is in no package: who runs Foretype needs none of it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "requirements"
# Lock -> the extras of pyproject.toml that it holds beside the serving dependencies; None: the build's own.
# Each is locked within the versions of those before it, so that they can be installed together.
LOCKS: dict[str, tuple[str, ...] | None] = {
    "build": None,
    "serve": (),
    "openvino": ("openvino",),
    "test": ("test", "check"),
    "train": ("train",),
    "release": ("release",),
}
_OLDEST_PYTHON = "3.11"


class LockError(Exception):
    """A lock cannot be read or made. One line."""


@dataclass(frozen=True)
class Pin:
    """A package at a version, in the environments of `marker` (None: all), with `hashes` as `sha256:hex`."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]
    direct: bool  # whether pyproject.toml itself asks for it

    @property
    def applies(self) -> bool:
        """Whether it is to be installed here."""
        return self.marker is None or self.marker.evaluate()


def read(path: Path) -> list[Pin]:
    """The pins of a lock. Raises `LockError` for anything in it that is no pin: an option, an address, a range."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise LockError(f"{path}: {error.strerror}; run `make lock`") from error
    return [_pin(path, block) for block in re.findall(r"^(?![ #]).+\n(?:[ ].*\n)*", text, re.MULTILINE)]


def disagreements(folder: Path = FOLDER, pyproject: Path = ROOT / "pyproject.toml") -> Iterator[str]:
    """A line for each thing in which the locks are not what pyproject.toml asks for."""
    pins = {name: read(folder / f"{name}.txt") for name in LOCKS}
    for lock, extras in LOCKS.items():
        wanted = direct(pyproject, extras)
        for requirement in wanted:
            name = canonicalize_name(requirement.name)
            found = [pin for pin in pins[lock] if pin.name == name]
            if not found:
                yield f"requirements/{lock}.txt lacks {requirement}"
            for pin in found:
                if not requirement.specifier.contains(pin.version, prereleases=True):
                    yield f"requirements/{lock}.txt has {pin.name} {pin.version}, not {requirement}"
        names = {canonicalize_name(requirement.name) for requirement in wanted}
        for pin in pins[lock]:
            if pin.direct and pin.name not in names:
                yield f"requirements/{lock}.txt has {pin.name}, for which pyproject.toml no longer asks"
    versions = {(pin.name, str(pin.marker)): pin.version for pin in pins["serve"]}
    for lock in list(LOCKS)[2:]:
        for pin in pins[lock]:
            if versions.get((pin.name, str(pin.marker)), pin.version) != pin.version:
                yield f"requirements/{lock}.txt has another {pin.name} than requirements/serve.txt"


def direct(pyproject: Path, extras: tuple[str, ...] | None) -> list[Requirement]:
    """What pyproject.toml asks for: the serving dependencies and those of `extras`, or with None the build's."""
    table = tomllib.loads(pyproject.read_text("utf-8"))
    if extras is None:
        return [Requirement(line) for line in table["build-system"]["requires"]]
    project = table["project"]
    found, todo, seen = [Requirement(line) for line in project["dependencies"]], list(extras), set[str]()
    while todo:
        if (extra := todo.pop()) in seen:
            continue
        seen.add(extra)
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            if canonicalize_name(requirement.name) == canonicalize_name(project["name"]):
                todo += requirement.extras
            else:
                found.append(requirement)
    return found


def lock(upgrade: bool) -> None:
    """Writes all locks, with uv. Raises `LockError`."""
    FOLDER.mkdir(exist_ok=True)
    before: list[str] = []
    for name, extras in LOCKS.items():
        file = f"requirements/{name}.txt"
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--python-version", _OLDEST_PYTHON, "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--custom-compile-command", "make lock", "--output-file", file]
        command += ["--upgrade"] if upgrade else []
        command += ["-" if extras is None else "pyproject.toml"]
        command += [word for extra in extras or () for word in ("--extra", extra)]
        command += [word for other in before for word in ("--constraint", other)]
        requirements = "\n".join(map(str, direct(ROOT / "pyproject.toml", None)))
        done = subprocess.run(command, cwd=ROOT, input=requirements, capture_output=True, text=True)
        if done.returncode:
            raise LockError(f"{file}: {done.stderr.strip() or 'uv failed'}")
        before.append(file)


def _pin(path: Path, block: str) -> Pin:
    said, _, comment = block.partition("# via")
    first, *hashes = re.split(r"\s*\\?\s+--hash=", said.strip())
    try:
        requirement = Requirement(first)
    except InvalidRequirement as error:
        raise LockError(f"{path}: {first.splitlines()[0]!r} is no pin") from error
    (specifier,) = requirement.specifier if len(requirement.specifier) == 1 else (None,)
    if specifier is None or specifier.operator != "==" or requirement.url or specifier.version.endswith("*"):
        raise LockError(f"{path}: {first} is not pinned to a version")
    if not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes):
        raise LockError(f"{path}: {first} has no SHA-256, or something else beside it")
    named = "(pyproject.toml)" in comment or "-r -" in comment
    return Pin(canonicalize_name(requirement.name), specifier.version, requirement.marker, tuple(hashes), named)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing: say where locks and pyproject.toml disagree"
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    args = parser.parse_args()
    try:
        if not args.check:
            lock(args.upgrade)
        found = list(disagreements())
    except LockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.writelines(f"{line}; run `make lock`\n" for line in found)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
