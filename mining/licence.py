"""The licence of a repository, from the texts at its root and from what its packages say, as SPDX identifiers.

Only permissive licences that are common are told (`spdx.org/licenses`, by sentences that each must have); every other
text is "unknown", which is on no list. All texts have to be on the list, so that one file of another licence is enough
to leave the repository out. Does not look at headers of single files.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection
from typing import Any

from foretype.mining.git import History

UNKNOWN = "unknown"
ANY = "any"  # on a list of permitted ones: nobody asks, as of one's own code
_NAME = re.compile(r"(?:un)?licen[cs]e(?:[-_.].*)?|copying(?:[-_.].*)?|mit-license(?:\..*)?", re.IGNORECASE)
_PACKAGES = ("pyproject.toml", "Cargo.toml", "package.json")
# What makes a text no permissive licence, whatever else it holds.
_RESTRICTED = re.compile(
    r"general public licen[cs]e|affero|commons clause|non ?commercial|mozilla public|eclipse public|business source"
    r"|server side public|elastic licen[cs]e|advertising materials mentioning|shall be used for good"
)
_MIT = "permission is hereby granted free of charge to any person obtaining a copy of this software"
_BSD = "redistribution and use in source and binary forms with or without modification are permitted"
_ISC = "permission to use copy modify and or distribute this software for any purpose with or without fee"
# each with what its text has to hold and what it must not, in words alone; the first that fits is it
_TEXTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("Apache-2.0", ("apache license version 2 0 january 2004", "grant of copyright license"), ()),
    ("BSL-1.0", ("boost software license version 1 0", "permission is hereby granted"), ()),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    (
        "Zlib",
        ("this software is provided as is without any express or implied warranty", "altered source versions"),
        (),
    ),
    ("MIT", (_MIT, "permission notice shall be included in all copies", "the software is provided as is"), ()),
    ("MIT-0", (_MIT, "the software is provided as is"), ("shall be included",)),
    ("BSD-3-Clause", (_BSD, "endorse or promote products", "as is"), ()),
    ("BSD-2-Clause", (_BSD, "redistributions in binary form must reproduce", "as is"), ("endorse or promote",)),
    ("ISC", (_ISC, "permission notice appear in all copies"), ()),
    ("0BSD", (_ISC, "as is"), ("appear in all copies",)),
)


def licences(history: History) -> list[str]:
    """The licences at HEAD, sorted; of files that name themselves so, else of the packages' own words. Empty where
    nothing tells."""
    names = [name for name in history.root_files() if _NAME.fullmatch(name)]
    texts = history.blobs([f"HEAD:{name}" for name in names])
    found = {UNKNOWN if text is None else recognise(text.decode(errors="replace")) for text in texts}
    if not names:
        for name, text in zip(_PACKAGES, history.blobs([f"HEAD:{name}" for name in _PACKAGES]), strict=True):
            found |= set(_declared(name, text or b""))
    return sorted(found)


def refusal(found: Collection[str], permitted: Collection[str]) -> str:
    """Why a repository of these licences is not mined, "" if it is."""
    if ANY in permitted:
        return ""
    if not found:
        return "no licence"
    off = [licence for licence in found if not _permits(licence, permitted)]
    return f"licence {', '.join(off)}" if off else ""


def recognise(text: str) -> str:
    """The SPDX identifier of a licence's text, or "unknown"."""
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    if _RESTRICTED.search(words):
        return UNKNOWN
    for name, needed, banned in _TEXTS:
        if all(part in words for part in needed) and not any(part in words for part in banned):
            return name
    return UNKNOWN


def _permits(expression: str, permitted: Collection[str]) -> bool:
    """Whether an SPDX expression leaves a choice on the list; brackets and exceptions are not read, and mean no."""
    return any(
        all(part.strip() in permitted for part in re.split(r"\s+AND\s+", choice))
        for choice in re.split(r"\s+OR\s+|/", expression)
    )


def _declared(name: str, text: bytes) -> list[str]:
    try:
        data: Any = json.loads(text) if name.endswith(".json") else tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        return []
    table = data if name.endswith(".json") else data.get("project", data.get("package", {}))
    value = table.get("license") if isinstance(table, dict) else None
    if isinstance(value, dict):
        value = value.get("type") or (
            recognise(value["text"]) if len(str(value.get("text", ""))) > 99 else value.get("text")
        )
    return [value] if isinstance(value, str) and value else []
