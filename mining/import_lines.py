"""Lines that import, by their look alone: hunks and targets are pieces of files, with no tree of their own.

Of an import over several lines its first one has to be there; a name in the middle of such a list is not seen for what
it is. Which file is imported is `context/index/imports.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from foretype.mining.touched import KEYWORDS, WORD

_BEGINS = re.compile(
    r"""\s*(?:import\b|from\s+[\w.]+\s+import\b|(?:pub(?:\([\w\s]*\))?\s+)?use\s+[\w:{]|\#\s*include\b
        |(?:const|let|var|local)\s+[\w{}\s,:$]+=\s*require\b|export\b[^()=]*\bfrom\s*["']
        |(?:[\w.]+\s+)?"[\w.\-]+(?:/[\w.\-]+)*"\s*$)""",  # the last is of Go's lists
    re.VERBOSE,
)
_REMARK = re.compile(r"\s*(?:#(?!\s*include)|//)")


def brought(old: Sequence[str], new: Sequence[str]) -> frozenset[str]:
    """The names that a change imports: those of its new lines that are not in its old ones. None where it brings
    anything but imports."""
    code, depth = [line for line in new if line.strip() and line not in old and not _REMARK.match(line)], 0
    for line in code:
        if not depth and not _BEGINS.match(line):
            return frozenset()
        depth = max(0, depth + sum(map(line.count, "({")) - sum(map(line.count, ")}")))
    return frozenset(WORD.findall("\n".join(code))) - frozenset(WORD.findall("\n".join(old))) - KEYWORDS


def used(old: Sequence[str], new: Sequence[str]) -> frozenset[str]:
    """The names in what a change brings beside imports."""
    lines = [line for line in new if line not in old and not _BEGINS.match(line)]
    return frozenset(WORD.findall("\n".join(lines))) - KEYWORDS
