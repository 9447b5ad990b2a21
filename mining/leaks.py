"""Secrets by `detect-secrets`' detectors: slower than `context/secrets.py` and of more kinds, so asked last.

Only its patterns are used; nothing is verified, as that would send what was found to the service it is for. Addresses
of machines do not count. Lines once found clean are remembered, as histories repeat themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.plugins.ip_public import IPPublicDetector
from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector

from foretype.context import secrets

_PLACEHOLDER = re.compile(
    r"^(?:x+|\*+|test\w*|dummy\w*|example\w*|none|null|true|false|secret\w*|password\w*)$", re.IGNORECASE
)
_MIN_CHARS = 8  # of a value beside a telling name; what is shorter is a placeholder, or no secret for long
# What a line has to hold for any of the patterns to be found in it: a long word, an address, or how a short key begins.
_POSSIBLE = re.compile(r"[\w+/=-]{16}|://|BEGIN |PuTTY|AKC|AP[\dA-F]|xox|eyJ|_authToken", re.IGNORECASE)
_TELLING = re.compile("|".join(DENYLIST))  # of lower case


def kind(lines: Iterable[str]) -> str:
    """The kind of the first secret in the lines, "" if there is none; those of `context/secrets.py` too."""
    lines = list(lines)
    found = next(secrets.spans("\n".join(lines)), None)
    return found[2] if found else detected(lines)


def detected(lines: Iterable[str]) -> str:
    """The kind of the first secret that a detector finds in the lines, "" if there is none."""
    return next((name for line in lines if (name := _kind(line.strip()))), "")


@lru_cache(maxsize=1 << 16)
def _kind(line: str) -> str:
    if len(line) < _MIN_CHARS:
        return ""
    patterns, entropies, keyword = _detectors()
    if _POSSIBLE.search(line):
        for detector in patterns:
            if next(detector.analyze_string(line), None) is not None:  # it may be empty: of a pattern with a group
                return str(detector.secret_type)
    if '"' not in line and "'" not in line:
        return ""  # what follows looks at quoted values alone
    for entropy in entropies:
        for value in entropy.analyze_string(line):
            few = len(set(value)) <= 2**entropy.entropy_limit  # characters, for that entropy; quicker to see
            if not few and entropy.calculate_shannon_entropy(value) > entropy.entropy_limit:
                return str(entropy.secret_type)
    if _TELLING.search(line.lower()):
        for value in keyword.analyze_string(line):
            if len(value) >= _MIN_CHARS and " " not in value and not _PLACEHOLDER.match(value):
                return str(keyword.secret_type)
    return ""


@cache
def _detectors() -> tuple[list[RegexBasedDetector], list[HighEntropyStringsPlugin], KeywordDetector]:
    kinds: dict[str, Any] = get_mapping_from_secret_type_to_class()
    plugins = [kind() for kind in kinds.values()]
    patterns = [
        plugin
        for plugin in plugins
        if isinstance(plugin, RegexBasedDetector) and not isinstance(plugin, IPPublicDetector)
    ]
    entropies = [plugin for plugin in plugins if isinstance(plugin, HighEntropyStringsPlugin)]
    return patterns, entropies, KeywordDetector()
