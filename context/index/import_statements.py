"""What an import statement imports: the text of one statement, as its syntax node delimits it, to a few strings.

`name` is "" where the module itself is imported, "*" for all of its names and "default" for the default export of
JavaScript; `alias` is "" where the thing keeps its name. Text that is broken gives what can be read of it. Which file a
module is, `imports.py` knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from foretype.context.languages import Language

Imported = tuple[str, str, str]

_PYTHON_FROM = re.compile(r"from\s*(\.*\s*[\w.\s]*?)\s*\bimport\b(.*)", re.DOTALL)
_LINE_REST = re.compile(r"#[^\n]*|\\\r?\n")
_QUOTED = re.compile(r"""["'`]([^"'`\n]+)["'`]""")
_ECMA_CLAUSE = re.compile(r"(?:import|export)\s+(?:type\s+)?(.*?)\s*\bfrom\s*[\"']", re.DOTALL)
_ECMA_REQUIRE = re.compile(r"(?:import\s+)?([\w$]+|\{[^}]*\})\s*=\s*(?:await\s+)?(?:require|import)\b")
_LUA_REQUIRE = re.compile(r"(\w+)\s*=\s*require")
_JAVA = re.compile(r"import\s+(?:static\s+)?([\w.\s]*?)\s*\.\s*(\w+|\*)\s*;?\s*$")
_C = re.compile(r"#\s*include(?:_next)?\s*(\"[^\"\n]+\"|<[^>\n]+>)")
_GO = re.compile(r"""(?:([\w.]+)\s+)?["`]([^"`\n]+)["`]""")
_RUST_MOD = re.compile(r"\bmod\s+(\w+)")
_RUST_USE = re.compile(r"\buse\s+(.*?);?\s*$", re.DOTALL)


def parse(statement: str, language: Language) -> Iterator[Imported]:
    reader = _READERS.get(language.name)
    return reader(statement) if reader else iter(())


def _python(text: str) -> Iterator[Imported]:
    text = _LINE_REST.sub(" ", text)
    if found := _PYTHON_FROM.match(text):
        module = "".join(found[1].split())
        for name, alias in _names(found[2].strip(" \t\r\n()"), " as "):
            yield module, name, alias
    else:
        for module, alias in _names(text.removeprefix("import"), " as "):
            yield module, "", alias


def _ecmascript(text: str) -> Iterator[Imported]:
    modules = _QUOTED.findall(text)
    if not modules:
        return
    module = modules[-1]
    if required := _ECMA_REQUIRE.match(text):
        if required[1].startswith("{"):
            for name, alias in _names(required[1].strip("{} \n"), ":"):
                yield module, name.partition("=")[0].strip(), alias.partition("=")[0].strip()
        else:
            yield module, "", required[1]
    elif clause := _ECMA_CLAUSE.match(text):
        braces = re.search(r"\{([^}]*)\}", clause[1])
        for name, alias in _names(re.sub(r"\{[^}]*\}", "", clause[1]), " as "):
            if name != "*":
                yield module, "default", name
            else:
                yield (module, "", alias) if alias else (module, "*", "")
        for name, alias in _names(braces[1] if braces else "", " as "):
            yield module, name.removeprefix("type "), alias
    else:
        yield module, "", ""


def _go(text: str) -> Iterator[Imported]:
    if found := _GO.search(text):
        yield found[2], "", found[1] or ""


def _rust(text: str) -> Iterator[Imported]:
    text = re.sub(r"//[^\n]*", "", text)
    if found := _RUST_USE.search(text):
        yield from _use(found[1], ())
    elif found := _RUST_MOD.search(text):
        yield f"self::{found[1]}", "", ""


def _use(tree: str, above: tuple[str, ...]) -> Iterator[Imported]:
    """One tree of a `use`: `a::b`, `a::{b, c as d}`, `a::*`."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    path = (*above, *(part for part in "".join(head.partition(" as ")[0].split()).split("::") if part))
    if brace:
        for part in _top_level(rest.rpartition("}")[0] or rest):
            yield from _use(part, path)
        return
    if path and path[-1] == "self" and len(path) > 1:
        path = path[:-1]
    if path:
        yield "::".join(path[:-1]), path[-1], head.partition(" as ")[2].strip()


def _top_level(text: str) -> list[str]:
    """Splits at the commas that no braces enclose."""
    parts, depth = [""], 0
    for char in text:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _java(text: str) -> Iterator[Imported]:
    if found := _JAVA.match(text.strip()):
        yield "".join(found[1].split()), found[2], ""


def _c(text: str) -> Iterator[Imported]:
    if found := _C.match(text.strip()):
        yield found[1], "", ""


def _lua(text: str) -> Iterator[Imported]:
    found = _LUA_REQUIRE.search(text)
    for module in _QUOTED.findall(text)[:1]:
        yield module, "", found[1] if found else ""


def _names(text: str, marker: str) -> Iterator[tuple[str, str]]:
    """Pairs of name and alias in a list with commas."""
    for part in text.split(","):
        name, _, alias = " ".join(part.split()).partition(marker)
        if name:
            yield name.strip(), alias.strip()


_READERS: dict[str, Callable[[str], Iterator[Imported]]] = {
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
