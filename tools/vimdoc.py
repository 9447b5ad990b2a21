"""Writes the parts of `:help foretype` that repeat the plugin's source: options, commands, functions.

    python tools/vimdoc.py            # rewrites editors/nvim/doc/foretype.txt

The sources are the annotations of `options.lua`, and the comments of the table in `command.lua` and of the functions
in `init.lua`. All else on the page is prose, and stays.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill, wrap

PLUGIN = Path(__file__).parents[1] / "editors" / "nvim"
PAGE = PLUGIN / "doc" / "foretype.txt"
SOURCES = PLUGIN / "lua" / "foretype"
_WIDTH = 78
_FIELD = re.compile(r"---@field (\w+)\?? (fun\(.*?\): \w+|\S+)(?: (.*))?$")
_FUNCTION = re.compile(r"((?:---.*\n)+)function M\.(\w+)\(")


def classes(source: str) -> dict[str, dict[str, tuple[str, str]]]:
    """The fields of each annotated class: by name, the type and what is said of it."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    fields: dict[str, tuple[str, str]] = {}
    for line in source.splitlines():
        if line.startswith("---@class "):
            fields = found.setdefault(line.split()[1], {})
        elif match := _FIELD.match(line):
            fields[match[1]] = match[2], match[3] or ""
    return found


def options(source: str) -> str:
    """The call of `setup` with all defaults, each with what its annotation says."""
    typed = classes(source)
    inside = [typed["foretype.Options"]]
    lines = ['    require("foretype").setup({']
    block = source.partition("M.defaults = {\n")[2].partition("\n}\n")[0]
    for line in block.splitlines():
        name = line.split()[0]
        if name == "},":
            inside.pop()
        else:
            kind, said = inside[-1].get(name, ("", ""))
            if said:
                mark = " " * (len(line) - len(line.lstrip()) + 4) + "-- "
                lines += wrap(said, _WIDTH, initial_indent=mark, subsequent_indent=mark, break_on_hyphens=False)
            if line.endswith("{"):
                inside.append(typed.get(next(iter(re.findall(r"foretype\.\w+", kind)), ""), {}))
        lines.append(f"    {line}")
    return ">lua\n" + "\n".join([*lines, "    })"]) + "\n<\n"


def commands(source: str) -> str:
    """One line or more for each word after `:Foretype`."""
    table = source.partition("local COMMANDS = {\n")[2]
    found = re.findall(r'^  --- (.+)\n  (?:\["([\w-]+)"\]|(\w+)) = function', table, re.MULTILINE)
    return "".join(_row(f":Foretype {quoted or plain}", said) for said, quoted, plain in found)


def functions(source: str) -> str:
    """Each function with a tag, in the order of the source."""
    return "\n".join(_function(said, name) for said, name in _FUNCTION.findall(source))


def _function(comment: str, name: str) -> str:
    lines = [line.removeprefix("---").strip() for line in comment.splitlines()]
    said = " ".join(line for line in lines if not line.startswith("@"))
    takes = re.findall(r"@param (\w+) (\S+)", comment)
    gives = re.findall(r"@return (\{.*\}|\S+)", comment)
    call = f"{name}({', '.join(parameter for parameter, _ in takes)})"
    tag = f"*foretype.{name}()*"
    notes = [f"`{parameter}`: {kind}" for parameter, kind in takes] + [f"Returns: {kind}" for kind in gives]
    body = [said, *notes]
    text = "\n".join(fill(each, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4) for each in body)
    return f"{call}{tag:>{_WIDTH - len(call)}}\n{text}\n"


def _row(what: str, said: str) -> str:
    first, *more = wrap(said, _WIDTH - 24)
    return "".join([f"{what:<24}{first}\n", *(f"{'':24}{line}\n" for line in more)])


def generated() -> Iterator[tuple[str, str]]:
    """The first line of each section, and what belongs below it up to a blank line and a tag or a rule."""

    def source(name: str) -> str:
        return (SOURCES / name).read_text("utf-8")

    yield "OPTIONS", options(source("options.lua"))
    yield "COMMANDS", f"\n{commands(source('command.lua'))}\n"
    yield "FUNCTIONS", f'\nAll in `require("foretype")`.\n\n{functions(source("init.lua"))}\n'


def page(text: str) -> str:
    """The page with these sections as the sources have them now. Raises ValueError where it has no such section."""
    for title, body in generated():
        section = re.compile(rf"^({title} +\*.*\n)(?:.*\n)*?(?=`vim\.b| {{20,}}\*|=====)", re.MULTILINE)
        places = list(section.finditer(text))
        if len(places) != 1:
            raise ValueError(f"{PAGE.name} has {len(places)} sections {title}")
        found = places[0]
        text = text[: found.end(1)] + body + text[found.end() :]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PAGE}\n")
