"""Installs Foretype from the folder of an unpacked bundle, with no network: what `make bundle` puts beside it.

Checks every file against SHA256SUMS first; then makes a virtual environment, has pip install the locked wheels into it
from this folder alone, each with its hash, puts the model into the user's store and builds it there. May be run again:
it replaces what it installed. Knows the standard library alone, and that of the Python it was packed for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

WINDOWS = os.name == "nt"
HERE = Path(__file__).resolve().parent
FACTS, SUMS = "bundle.json", "SHA256SUMS"
_CHUNK = 1 << 20


class InstallError(Exception):
    """Nothing was installed, or not all of it. One line that says what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="install", description="Installs Foretype from this folder; no network is used."
    )
    parser.add_argument("--into", type=Path, default=_default(), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--no-model", dest="model", action="store_false", help="leave the user's models as they are")
    parser.add_argument("--no-link", dest="link", action="store_false", help="make no ~/.local/bin/foretype")
    args = parser.parse_args()
    try:
        sys.stdout.write(install(args.into.expanduser().absolute(), args.model, args.link))
    except InstallError as error:
        sys.stderr.write(f"install: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("install: interrupted; run it again to finish\n")
        return 130
    return 0


def install(into: Path, model: bool, link: bool) -> str:
    """Installs all of it and returns what to tell the user. Raises `InstallError`."""
    count = verify(HERE)
    facts = json.loads((HERE / FACTS).read_text("utf-8"))
    _check_machine(facts)
    _tell(f"all {count} files are as they were packed")
    _take(into)
    environment, editors = into / "env", into / "editors"
    _tell(f"installing {len(list((HERE / 'wheels').iterdir()))} packages into {environment}")
    programs = _packages(environment)
    foretype = programs / ("foretype.exe" if WINDOWS else "foretype")
    shutil.rmtree(editors, ignore_errors=True)
    shutil.copytree(HERE / "editors", editors)
    if model:
        _tell(f"putting the model {facts['model']} into your store, and building it")
        source = HERE / "models" / facts["file"]
        _run([foretype, "model", "pull", facts["model"], "--from", source], "the model could not be built")
    option = "" if facts["default"] else f'model.name = "{facts["model"]}"'
    return _next_steps(into, foretype, _link(foretype) if link and not WINDOWS else None, option)


def verify(folder: Path) -> int:
    """How many files there are, all as SHA256SUMS has them. Raises `InstallError` if one differs, is missing or new."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except OSError as error:
        raise InstallError(f"{SUMS} cannot be read ({error.strerror}); unpack the whole bundle again") from error
    wanted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    if odd := sorted((there - {SUMS}) ^ wanted.keys()):
        what = "does not belong here" if odd[0] in there else "is missing"
        raise InstallError(f"{odd[0]} {what}; unpack the bundle again, into an empty folder")
    for name, digest in wanted.items():
        if _sha256(folder / name) != digest:
            raise InstallError(f"{name} is not as it was packed; get the bundle again")
    return len(wanted)


def _check_machine(facts: dict[str, Any]) -> None:
    here = {"python": "{}.{}".format(*sys.version_info), "system": platform.system(), "machine": platform.machine()}
    if wrong := [f"{key} {facts[key]}, and this is {value}" for key, value in here.items() if facts[key] != value]:
        raise InstallError(f"the bundle is for {wrong[0]}; make one on a machine like this: make bundle")


def _take(into: Path) -> None:
    """Makes the folder, or takes one that an earlier run made."""
    if into.is_dir() and any(into.iterdir()) and not (into / FACTS).is_file():
        raise InstallError(f"{into} holds something else; name another folder with --into")
    try:
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / FACTS, into / FACTS)
    except OSError as error:
        raise InstallError(f"{into} cannot be written ({error.strerror}); name another folder with --into") from error


def _packages(environment: Path) -> Path:
    """Makes the virtual environment and returns the folder of its programs."""
    hint = "this Python cannot make virtual environments (on Debian: apt install python3-venv)"
    _run([sys.executable, "-I", "-m", "venv", "--clear", environment], hint)
    programs = environment / ("Scripts" if WINDOWS else "bin")
    # --isolated: neither options of the user's pip nor PIP_... of the environment count, so that no index is asked
    pip: list[str | Path] = [
        programs / "python",
        "-I",
        "-m",
        "pip",
        "--isolated",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    pip += ["--no-index", "--find-links", HERE / "wheels", "--require-hashes", "--only-binary=:all:"]
    _run([*pip, "--requirement", HERE / "requirements.txt"], "the packages could not be installed")
    return programs


def _link(program: Path) -> Path | None:
    """Makes `~/.local/bin/foretype`, unless something else has that name. Where it is, or None."""
    link = Path.home() / ".local" / "bin" / "foretype"
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() and (os.readlink(link) == str(program) or not link.exists()):
            link.unlink()
        link.symlink_to(program)
    except OSError:
        return None
    return link


def _next_steps(into: Path, program: Path, link: Path | None, option: str) -> str:
    on_path = link is not None and shutil.which("foretype") is not None
    name = "foretype" if on_path else str(program)
    lines = [f"Foretype is installed in {into}" + (f", and {link} starts it." if link else "."), ""]
    lines += [f"  {name} doctor", "      says what is there and what works", ""]
    if option:
        lines += [f"  {option}", "      belongs into your foretype.toml, which that command names", ""]
    extension = into / "editors" / "foretype.vsix"
    if extension.is_file():
        lines += [f"  code --install-extension {extension}"]
        lines += [
            "" if on_path else f'      and in its settings "foretype.server.command": {json.dumps([str(program)])}'
        ]
    lines += [f"  Neovim: vim.opt.runtimepath:prepend({json.dumps(str(into / 'editors' / 'nvim'))})"]
    command = "" if on_path else f"cmd = {{ {json.dumps(str(program))}, 'serve' }}"
    lines += [f"          require('foretype').setup({{ {command} }})", ""]
    lines += ["This folder can be deleted now."]
    return "\n".join(lines) + "\n"


def _run(command: list[str | Path], failure: str) -> None:
    done = subprocess.run([str(word) for word in command], env=os.environ | {"PYTHONSAFEPATH": "1"})
    if done.returncode:
        raise InstallError(f"{failure}; mend what is said above and run it again")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _default() -> Path:
    if WINDOWS:
        return Path(os.environ.get("LOCALAPPDATA", "~")) / "Programs" / "foretype"
    return Path("~/.local/opt/foretype")


if __name__ == "__main__":
    sys.exit(main())
