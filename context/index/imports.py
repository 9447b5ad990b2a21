"""Which files of the workspace an import means, from the paths of its files and the text of `go.mod` alone.

Runs no build tool and reads no configuration: not `sys.path`, `tsconfig.json`, `Cargo.toml` nor include paths. Where
the syntax leaves several files possible, those nearest to the importing file come first; what lies outside of the
workspace (a library) is no file. Paths are relative to the workspace with forward slashes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from foretype.context.languages import Language
from foretype.context.symbols import Import

# More files than this for one import say nothing; a Go package or a Java package may be that large.
MAX_FILES = 64

_ECMA = (".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
_ECMA_OUTPUT = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}
# Folders under which the names of packages commonly begin.
_SOURCE_ROOTS = ("", "src", "lib", "lua")
_GO_MODULE = re.compile(rb'^\s*module\s+"?([^\s"]+)', re.MULTILINE)
_CRATE_ROOTS = ("lib.rs", "main.rs")


@dataclass(frozen=True)
class Layout:
    """The files of a workspace, arranged for `resolve`.

    `folders` are the files in each folder, `named` the paths of each file name; `python_roots` the folders from which a
    top-level name can be imported; `go_modules` the module path of each folder with a `go.mod`.
    """

    files: frozenset[str]
    folders: Mapping[str, tuple[str, ...]]
    named: Mapping[str, tuple[str, ...]]
    python_roots: Mapping[str, tuple[str, ...]]
    go_modules: Mapping[str, str]


def layout(paths: Iterable[str], read: Callable[[str], bytes | None] = lambda path: None) -> Layout:
    """Arranges the paths of a workspace; `read` gives a file's bytes, or None where it cannot (only for `go.mod`)."""
    files = frozenset(paths)
    folders: dict[str, list[str]] = defaultdict(list)
    named: dict[str, list[str]] = defaultdict(list)
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        folders[folder].append(path)
        named[name].append(path)
    go_modules = {}
    for path in named.get("go.mod", ()):
        if found := _GO_MODULE.search(read(path) or b""):
            go_modules[_folder(path)] = found[1].decode(errors="replace")
    return Layout(files, _frozen(folders), _frozen(named), _python_roots(files, folders), go_modules)


def resolve(imported: Import, layout: Layout, language: Language) -> tuple[str, ...]:
    """The files that an import may mean, likeliest first, without the importing file; empty for a library's."""
    finder = _FINDERS.get(language.name)
    if finder is None:
        return ()
    found = dict.fromkeys(path for path in finder(imported, layout) if path != imported.path)
    return tuple(found)[:MAX_FILES]


def _python(imported: Import, layout: Layout) -> Iterator[str]:
    module = imported.module.lstrip(".")
    dots = len(imported.module) - len(module)
    parts = tuple(part for part in module.split(".") if part)
    if dots:
        folder = _folder(imported.path)
        for _ in range(dots - 1):
            if not folder:
                return
            folder = _folder(folder)
        roots: Iterable[str] = (folder,)
    elif not parts:
        return
    else:
        roots = (
            *_nearest(layout.python_roots.get(parts[0], ()), imported.path),
            *_SOURCE_ROOTS,
            *_ancestors(imported.path),
        )
    for root in dict.fromkeys(roots):
        base = _join(root, *parts)
        inner = (_join(base, imported.name),) if imported.name not in ("", "*") else ()
        tails = (".py", "/__init__.py", ".pyi", "/__init__.pyi")
        found = [
            path for stem in (*inner, base) for tail in tails if (path := (stem + tail).lstrip("/")) in layout.files
        ]
        yield from found
        if found:
            return


def _ecmascript(imported: Import, layout: Layout) -> Iterator[str]:
    module = imported.module
    if module.startswith("."):
        stems = [_normal(_join(_folder(imported.path), module))]
    elif module.startswith(("@/", "~/")):
        stems = [_join(root, module[2:]) for root in ("src", "")]
    else:
        stems = [_join(root, module) for root in ("", "src")] if "/" in module else []
    for stem in stems:
        if stem is None:
            continue
        output = next((ending for ending in _ECMA_OUTPUT if stem.endswith(ending)), "")
        candidates = (
            stem,
            *(stem.removesuffix(output) + source for source in _ECMA_OUTPUT.get(output, ())),
            *(stem + extension for extension in _ECMA),
            *(_join(stem, "index" + extension) for extension in _ECMA),
        )
        if found := next((path for path in candidates if path in layout.files), None):
            yield found
            return


def _go(imported: Import, layout: Layout) -> Iterator[str]:
    owners = [
        (folder, module)
        for folder, module in layout.go_modules.items()
        if imported.module == module or imported.module.startswith(module + "/")
    ]
    if not owners:
        return
    folder, module = max(owners, key=lambda owner: len(owner[1]))
    package = _join(folder, imported.module[len(module) :].strip("/"))
    for path in layout.folders.get(package, ()):
        if path.endswith(".go") and not path.endswith("_test.go"):
            yield path


def _rust(imported: Import, layout: Layout) -> Iterator[str]:
    parts = [part for part in (*imported.module.split("::"), imported.name) if part and part != "*"]
    folder, _, file = imported.path.rpartition("/")
    here = folder if file in (*_CRATE_ROOTS, "mod.rs") else _join(folder, file.removesuffix(".rs"))
    crate = next((at for at in _ancestors(imported.path) if _is_crate(at, layout)), "")
    if parts[:1] == ["crate"]:
        starts, parts = [crate], parts[1:]
    elif parts[:1] in (["self"], ["super"]):
        while parts and parts[0] in ("self", "super"):
            here = _folder(here) if parts[0] == "super" else here
            parts = parts[1:]
        starts = [here]
    elif other := _crate_named(parts[0] if parts else "", imported.path, layout):
        starts, parts = [other], parts[1:]
    else:
        starts = [here, crate]
    for start in dict.fromkeys(starts):
        if found := list(_deepest(start, parts, layout)):
            yield from found
            return


def _is_crate(folder: str, layout: Layout) -> bool:
    return any(_join(folder, root) in layout.files for root in _CRATE_ROOTS)


def _crate_named(name: str, near: str, layout: Layout) -> str:
    """The source folder of the library crate in a folder of that name, `NAME/src`; "" where there is none."""
    paths = [path for path in layout.named.get("lib.rs", ()) if path.replace("-", "_").endswith(f"{name}/src/lib.rs")]
    return _folder(_nearest(paths, near)[0]) if name and paths else ""


def _deepest(folder: str, parts: list[str], layout: Layout) -> Iterator[str]:
    """The file of the longest module path that exists; the parts left over name something in it."""
    for length in range(len(parts), 0, -1):
        stem = _join(folder, *parts[:length])
        for path in (f"{stem}.rs", f"{stem}/mod.rs"):
            if path in layout.files:
                yield path
                return
    for path in (f"{folder}.rs", *(_join(folder, name) for name in ("mod.rs", *_CRATE_ROOTS))):
        if path in layout.files:
            yield path
            return


def _java(imported: Import, layout: Layout) -> Iterator[str]:
    package = imported.module.replace(".", "/")
    if imported.name != "*":
        yield from _ending(f"{package}/{imported.name}.java", imported.path, layout)
    yield from _ending(f"{package}.java", imported.path, layout)  # a member of a class
    if imported.name == "*":
        for folder, files in layout.folders.items():
            if folder == package or folder.endswith("/" + package):
                yield from (path for path in files if path.endswith(".java"))


def _c(imported: Import, layout: Layout) -> Iterator[str]:
    header = imported.module[1:-1]
    beside = _normal(_join(_folder(imported.path), header))
    if imported.module.startswith('"') and beside in layout.files:
        yield beside
        return
    if (tail := _normal(header)) is not None:
        yield from _ending(tail, imported.path, layout)


def _lua(imported: Import, layout: Layout) -> Iterator[str]:
    stem = imported.module.replace(".", "/")
    for tail in (f"{stem}.lua", f"{stem}/init.lua"):
        yield from _ending(tail, imported.path, layout)


def _ending(tail: str, near: str, layout: Layout) -> list[str]:
    """The files whose path is or ends with `tail`."""
    named = layout.named.get(tail.rpartition("/")[2], ())
    return _nearest([path for path in named if path == tail or path.endswith("/" + tail)], near)


def _nearest(paths: Iterable[str], near: str) -> list[str]:
    """Paths by how many folders they share with `near`, then the shorter ones."""
    here = near.split("/")[:-1]

    def distance(path: str) -> tuple[int, int, str]:
        shared = 0
        for one, other in zip(path.split("/"), here, strict=False):
            if one != other:
                break
            shared += 1
        return -shared, path.count("/"), path

    return sorted(paths, key=distance)


def _python_roots(files: frozenset[str], folders: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """For each top-level module or package, the folders it lies in: the first above it that are no packages."""
    packages = {folder for folder in folders if _join(folder, "__init__.py") in files}
    roots: dict[str, set[str]] = defaultdict(set)
    for folder, paths in folders.items():
        modules = [path for path in paths if path.endswith((".py", ".pyi"))]
        if folder not in packages:
            for path in modules:
                roots[path.rpartition("/")[2].partition(".")[0]].add(folder)
        elif folder and modules:
            top = folder
            while _folder(top) in packages and _folder(top):
                top = _folder(top)
            roots[top.rpartition("/")[2]].add(_folder(top))
    return _frozen(roots)


def _frozen(groups: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(sorted(values)) for key, values in groups.items()}


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _ancestors(path: str) -> Iterator[str]:
    """The folders around a file, from the inside."""
    while path:
        path = _folder(path)
        yield path


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _normal(path: str) -> str | None:
    """The path without `.` and `..`, or None where it leaves the workspace."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


_FINDERS: dict[str, Callable[[Import, Layout], Iterator[str]]] = {
    "python": _python,
    "javascript": _ecmascript,
    "typescript": _ecmascript,
    "tsx": _ecmascript,
    "go": _go,
    "rust": _rust,
    "java": _java,
    "c": _c,
    "cpp": _c,
    "lua": _lua,
}
