"""Secrets in text, by what they look like: keys and tokens of known shape, and random values next to a telling name.

Knows nothing of files: those that hold secrets by their name are `context/guard.py`'s. It errs to both sides: a
password that is a plain word is not seen, a random test value beside the name "token" is taken for a secret.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

HIDDEN = "<secret>"

# The only secret of several lines. Without its end it goes on to the end of the text.
_KEY = r"-----BEGIN\ (?:[A-Z0-9]+\ )*PRIVATE\ KEY(?:\ BLOCK)?-----[\s\S]*?(?:-----END[^-]*-----|\Z)"
_PRIVATE_KEY = re.compile(_KEY)
# Shapes as their issuers document them, or as gitleaks' default rules have them where they do not.
_SHAPES = re.compile(
    rf"(?P<private_key>{_KEY})"
    r"""
  | \b(?P<aws_key>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b
  | \b(?P<github>gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})
  | \b(?P<gitlab>glpat-[\w-]{20,})
  | \b(?P<slack>xox[abeoprs]-[\w-]{10,}|hooks\.slack\.com/services/[\w/]{20,})
  | \b(?P<stripe>[rs]k_(?:live|test)_[A-Za-z0-9]{16,})
  | \b(?P<google>AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})
  | \b(?P<openai>sk-(?:ant-|proj-|svcacct-)[\w-]{20,}|sk-[A-Za-z0-9]{32,})
  | \b(?P<registry>npm_[A-Za-z0-9]{36}|pypi-AgEIcHlwaS5vcmc[\w-]{50,})
  | \b(?P<hugging_face>hf_[A-Za-z]{34})\b
  | \b(?P<sendgrid>SG\.[\w-]{22}\.[\w-]{43})
  | \b(?P<digitalocean>do[opr]_v1_[a-f0-9]{64})
  | \b(?P<azure>AccountKey=[A-Za-z0-9+/]{86}==)
  | \b(?P<jwt>eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})
    """,
    re.VERBOSE,
)
# What each shape begins with: text without any of these has none, which is faster to see.
_STARTS = (
    *("-----BEGIN", "AKIA", "ASIA", "ABIA", "ACCA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *(
        "xox",
        "hooks.slack.com",
        "k_live_",
        "k_test_",
        "AIza",
        "ya29.",
        "GOCSPX-",
        "sk-",
        "npm_",
        "pypi-Ag",
        "hf_",
        "SG.",
    ),
    *("_v1_", "AccountKey=", "eyJ"),
)
# user:password@host in an address
_ADDRESS = re.compile(r"://[^\s:/@'\"]{1,100}:(?P<value>[^\s:/@'\"]{6,200})@")
_NAMES = (
    *("passw", "passphrase", "pwd", "secret", "token", "apikey", "api_key", "accesskey", "access_key", "authkey"),
    *("auth_key", "privatekey", "private_key", "signingkey", "signing_key", "encryptionkey", "encryption_key"),
    *("credential", "authorization"),
)
# A telling name, then its value: in quotes, or bare to the end of the line as .env and shell files have it.
_NAMED = re.compile(
    r"""
    (?:passw(?:or)?d|passwd|passphrase|pwd|secret|token|api_?key|access_?key|auth_?key|private_?key|signing_?key
      |encryption_?key|credential)s?(?:[_-]?\w{1,30})?["']?\s{0,4}(?::=|=>|=|:)\s{0,4}
    (?: (?P<quote>["'`])(?P<quoted>[^"'`\s]{8,400})(?P=quote)
      | (?<==)(?P<bare>[A-Za-z0-9+/=_-]{20,400})[ \t]*(?:$|\r|\n) )
  | \bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic)\s+(?P<bearer>[\w+/=.-]{16,400})
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(
    r"example|placeholder|change_?me|dummy|your[_-]|x{4,}|\*{3,}|\.\.\.|[<>{}$%()\[\]]", re.IGNORECASE
)
_TURN = re.compile(r"[A-Za-z](?=\d)|\d(?=[A-Za-z])")  # names have one at their end at most: VALUE2
# Bits per character. Ten different characters of ten have 3.3; English words in snake case seldom have more than 3.5.
_BITS = 3.0
_BITS_OF_LETTERS = 3.7


def secret(text: str) -> bool:
    """Whether the text holds a secret."""
    return next(spans(text), None) is not None


def redact(text: str) -> str:
    """The text with `HIDDEN` in the place of each secret; the line ends inside of one are kept."""
    return hide(text, ((start, end) for start, end, _ in spans(text)))


def hide(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with `HIDDEN` in each of these places, from one character up to another. They may overlap."""
    parts, done = [], 0
    for start, end in sorted(places):
        if start >= done:
            parts += [text[done:start], HIDDEN]
        parts.append("\n" * text.count("\n", max(start, done), end))
        done = max(done, end)
    return "".join([*parts, text[done:]])


def begins(text: str, at: int) -> int:
    """From where on a text has to be looked at so that no secret behind `at` is missed: the beginning of the line, or
    of the private key that it is in."""
    line = text.rfind("\n", 0, max(0, at)) + 1
    for key in _PRIVATE_KEY.finditer(text):
        if key.start() >= line:
            break
        if key.end() > at:
            return key.start()
    return line


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where the secrets are, in characters, and of which kind each is; they may overlap."""
    if any(map(text.__contains__, _STARTS)):
        for match in _SHAPES.finditer(text):
            yield *match.span(match.lastgroup or 0), match.lastgroup or ""
    for match in _ADDRESS.finditer(text):
        if _random(match["value"]):
            yield *match.span("value"), "password"
    for start, end in _telling_lines(text):
        for match in _NAMED.finditer(text, start, end):
            group = match.lastgroup or ""
            if _random(match[group]):
                yield *match.span(group), "named"


def _telling_lines(text: str) -> list[tuple[int, int]]:
    """The spans of the lines that hold a telling name, with their ends."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters beyond ASCII become two
        lower = "".join(char.lower() if char.isascii() else char for char in text)
    lines: dict[int, int] = {}
    for name in _NAMES:
        at = lower.find(name)
        while at >= 0:
            end = lower.find("\n", at) + 1 or len(text)
            lines[lower.rfind("\n", 0, at) + 1] = end
            at = lower.find(name, end)
    return sorted(lines.items())


def _random(value: str) -> bool:
    """Whether a value is too irregular to be a word, a path, a placeholder or the name of something."""
    if _PLACEHOLDER.search(value):
        return False
    bits = _entropy(value)
    if len(_TURN.findall(value)) >= 2:
        return bits >= _BITS
    mixed = value.upper() != value != value.lower()
    return len(value) >= 16 and mixed and value.isalpha() and bits >= _BITS_OF_LETTERS


def _entropy(value: str) -> float:
    """Shannon entropy of the value's characters, in bits per character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())
