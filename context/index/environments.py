"""Where the libraries of a workspace lie: its virtual environments and `node_modules`, and what is installed there.

Looks at the disk, within what the guard allows; reads no code. A folder that is linked in from outside of the workspace
is none of its environments.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from foretype.context.guard import Guard

_SETTINGS_BYTES = 1 << 18  # of a package.json or a top_level.txt
_ENVIRONMENTS = (".venv", "venv", "env")
# A folder that packages lie in; `above` is the folder that it serves.
HOME = re.compile(r"(?P<above>(?:.*/)?)(?:[^/]+/(?:lib/python[\d.]+t?|Lib)/site-packages|node_modules)")
INSIDE = re.compile(r"(?P<home>(?:.*/)?(?:site-packages|node_modules))/")


def inside(path: str) -> bool:
    """Whether a path of the graph is a library's: the guard lets no such path be the workspace's own."""
    return INSIDE.match(path) is not None


def shown(path: str) -> str:
    """The path of a library's file as its users know it, from the package on; any other as it is."""
    found = INSIDE.match(path)
    return path[found.end() :] if found else path


@dataclass(frozen=True)
class Shelf:
    """Where libraries are looked for: in the tables, or on the disk.

    `homes` are the folders that packages lie in, `holds` whether there is a file, `entry` the file that the name of a
    package in `node_modules` alone means, by the package's folder, "" where that is not known.
    """

    homes: Sequence[str] = ()
    holds: Callable[[str], bool] = lambda path: False
    entry: Callable[[str], str] = lambda folder: ""


def on_disk(guard: Guard, folder: str) -> Shelf:
    """The environments in a folder of the workspace and in those around it."""
    homes: list[str] = []
    at: str | None = folder
    while at is not None:
        here = at + "/" if at else ""
        for name in _ENVIRONMENTS:
            if (guard.root / here / name / "pyvenv.cfg").is_file():
                found = [
                    *(guard.root / here / name).glob("lib/python*/site-packages"),
                    guard.root / here / name / "Lib/site-packages",
                ]
                homes += [one.relative_to(guard.root).as_posix() for one in found if one.is_dir()]
        if (guard.root / here / "node_modules").is_dir():
            homes.append(here + "node_modules")
        at = (at.rpartition("/")[0] if "/" in at else "") if at else None
    checks = {home: readable(guard, home) for home in homes}

    def holds(path: str) -> bool:
        own = INSIDE.match(path)
        return own is not None and own["home"] in checks and checks[own["home"]](path)

    return Shelf(homes, holds, lambda package: entry(guard, package))


def readable(guard: Guard, home: str) -> Callable[[str], bool]:
    """Whether a path is a file of the environment in the folder `home` that may be read."""
    return lambda path: (guard.root / path).is_file() and not guard.library_refusal(path, home)


def entry(guard: Guard, folder: str) -> str:
    """The declarations that the name of a package in `node_modules` means, "" where it has none."""
    if "node_modules/" not in folder:
        return ""
    says = _json(guard, f"{folder}/package.json")
    exported = says.get("exports")
    main = exported.get(".", exported) if isinstance(exported, dict) else None
    names = (says.get("types"), says.get("typings"), _types(main, 0), "index.d.ts")
    for name in names:
        if isinstance(name, str) and name:
            path = os.path.normpath(f"{folder}/{name}").replace("\\", "/")
            for candidate in (path, f"{path}.d.ts", f"{path}/index.d.ts"):
                if (
                    candidate.startswith(folder + "/")
                    and candidate.endswith("ts")
                    and (guard.root / candidate).is_file()
                ):
                    return candidate
    return ""


def _types(exported: object, depth: int) -> str:
    """The first "types" among the conditions of an entry of "exports"."""
    if not isinstance(exported, dict) or depth > 4:
        return ""
    types = exported.get("types")
    if isinstance(types, str):
        return types
    return next(filter(None, (_types(inner, depth + 1) for inner in exported.values())), "")


def version(guard: Guard, home: str, name: str) -> str:
    """Changes when another version is installed: the name of the folder with its metadata, or its version."""
    if home.endswith("node_modules"):
        return str(_json(guard, f"{home}/{name}/package.json").get("version", ""))
    site = guard.root / home
    try:
        return _distributions(site, site.stat().st_mtime_ns).get(name.removesuffix("-stubs").lower(), "")
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _distributions(site: Path, changed: int) -> dict[str, str]:
    """The folder of metadata of each package in `site-packages`, by the lower-case name that it is imported by."""
    found: dict[str, str] = {}
    for folder in sorted(site.glob("*.dist-info")):
        names = [re.sub(r"[-.]", "_", folder.name.partition("-")[0])]
        try:
            with open(folder / "top_level.txt", encoding="utf-8", errors="replace") as file:
                names += file.read(_SETTINGS_BYTES).split()
        except OSError:
            with_record = _recorded(folder / "RECORD")
            names += with_record
        for name in names:
            found[name.lower()] = folder.name
    return found


def _recorded(record: Path) -> set[str]:
    """The names at the top of what a distribution installed (PyPA's "recording installed projects")."""
    try:
        with open(record, encoding="utf-8", errors="replace") as file:
            text = file.read(_SETTINGS_BYTES)
    except OSError:
        return set()
    return {line.partition("/")[0].partition(",")[0].removesuffix(".py") for line in text.splitlines()}


def _json(guard: Guard, path: str) -> dict:
    home = INSIDE.match(path)
    if home is None or guard.library_refusal(path, home["home"]):
        return {}
    try:
        with open(guard.root / path, encoding="utf-8", errors="replace") as file:
            says = json.loads(file.read(_SETTINGS_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return says if isinstance(says, dict) else {}
