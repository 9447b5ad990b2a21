"""What is kept of a suggestion's code where the user wants it: its surroundings cut to size, secrets taken out.

A secret may begin in one of the texts and end in another, as a name and its value do, or begin before what is kept. So
secrets are looked for in every text that these make together, in whole lines and whole private keys, and it is cut
last. Where that would be more than a few milliseconds' work, nothing is kept. Does not know what a secret looks like.
"""

from __future__ import annotations

from itertools import combinations

from foretype.context import secrets
from foretype.lsp.log.schema import Capture

# Characters of the text on each side that are kept.
_BEFORE, _AFTER = 8_000, 2_000
# Characters that are looked at: beyond are minified lines, and what comes after a private key without an end.
_MOST = 40_000


def columns(capture: Capture) -> tuple | None:
    """As the table has it, None where it is better not kept."""
    prefix, text, suffix = capture.prefix, capture.text, capture.suffix
    first = secrets.begins(prefix, len(prefix) - _BEFORE)
    last = suffix.find("\n", _AFTER) + 1 or len(suffix)
    if len(prefix) - first + len(text) + last > _MOST:
        return None
    prefix, text, suffix = _without_secrets(prefix[first:], text, suffix[:last])
    accepted = capture.accepted
    if text != capture.text:  # which part of what is hidden was accepted, nobody has to know
        accepted = text if accepted == capture.text else accepted and secrets.HIDDEN
    return capture.run, capture.seq, capture.path, prefix[-_BEFORE:], suffix[:_AFTER], text, accepted


def _without_secrets(*texts: str) -> list[str]:
    """The texts without what is a secret in one of them, or in some of them put together in this order."""
    hidden: list[list[tuple[int, int]]] = [[] for _ in texts]
    for count in range(1, len(texts) + 1):
        for chosen in combinations(range(len(texts)), count):
            for start, end, _ in secrets.spans("".join(texts[which] for which in chosen)):
                at = 0
                for which in chosen:
                    size = len(texts[which])
                    place = max(0, start - at), min(size, end - at)
                    if place[0] < place[1]:
                        hidden[which].append(place)
                    at += size
    return [secrets.hide(text, places) for text, places in zip(texts, hidden, strict=True)]
