"""What a file is called in the import statements of another one, after it moved: in the style that was used before.

The counterpart of `context/index/imports.py`, for Python, JavaScript, TypeScript and Go; None where the name cannot be
told from the paths.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_ECMA_END = re.compile(r"(?:\.d)?\.[mc]?[jt]sx?\Z")
_OUTPUTS = {".ts": ".js", ".tsx": ".js", ".mts": ".mjs", ".cts": ".cjs", ".jsx": ".jsx"}


def python(text: str, importer: str, old: str, new: str) -> str | None:
    """`text` (`a.b`, `..b`) is what `importer` calls the file `old`; what it calls the file `new`."""
    module = text.lstrip(".")
    dots = len(text) - len(module)
    parts, now = _parts(old), _parts(new)
    if dots:
        folder = importer.split("/")[:-1]
        shared = 0
        while shared < min(len(folder), len(now) - 1) and folder[shared] == now[shared]:
            shared += 1
        if not shared and folder:
            return None  # no common package
        return "." * (len(folder) - shared + 1) + ".".join(now[shared:])
    words = module.split(".")
    if parts[len(parts) - len(words) :] != words:
        return None
    root = parts[: len(parts) - len(words)]
    return ".".join(now[len(root) :]) if now[: len(root)] == root and len(now) > len(root) else None


def ecmascript(text: str, importer: str, old: str, new: str) -> str | None:
    """The same for a path as in `import "./a"`, without its quotes."""
    folder = posixpath.dirname(importer)
    ending = _ECMA_END.search(text)
    if text.startswith("."):
        named = posixpath.normpath(posixpath.join(folder, text))
        prefix = ""
    else:
        head, _, tail = text.partition("/")
        bare = _ECMA_END.sub("", old)
        if not bare.removesuffix("/index").endswith(_ECMA_END.sub("", tail)):
            return None
        prefix = head + "/"
        named = tail
    as_folder = posixpath.basename(_ECMA_END.sub("", old)) == "index" and not _ECMA_END.sub("", named).endswith("index")
    target = _ECMA_END.sub("", new)
    if as_folder and posixpath.basename(target) == "index":
        target = posixpath.dirname(target)
    if ending:
        end = _ECMA_END.search(new)
        own = end[0] if end else ""
        target += _OUTPUTS.get(own, own) if ending[0] != (_ECMA_END.search(old) or ending)[0] else own
    if prefix:
        root = _ECMA_END.sub("", old).removesuffix("/index" if as_folder else "").removesuffix(_ECMA_END.sub("", named))
        return prefix + target.removeprefix(root) if target.startswith(root) else None
    relative = posixpath.relpath(target, folder or ".")
    return relative if relative.startswith(".") else f"./{relative}"


def go(modules: Mapping[str, str], new: str) -> str | None:
    """The import path of the package in the folder of `new`; `modules` are module paths by their folders."""
    folder = posixpath.dirname(new)
    owners = [at for at in modules if not at or folder == at or folder.startswith(at + "/")]
    if not owners:
        return None
    root = max(owners, key=len)
    return posixpath.join(modules[root], posixpath.relpath(folder, root)) if folder != root else modules[root]


def _parts(path: str) -> list[str]:
    parts = path.rpartition(".")[0].split("/")
    return parts[:-1] if parts[-1] == "__init__" else parts
