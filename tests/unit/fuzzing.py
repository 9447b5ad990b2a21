"""How many cases a fuzz test tries, and what damage to bytes looks like."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Numbers that headers lie with.
LIES = [b"\xff" * 8, b"\0" * 8, b"\0\0\0\0\0\0\0\x10", b"\xff\xff\xff\x7f", b"\x09\0\0\0", b"\x01"]


def cases(quick: int) -> settings:
    """So many in a plain run, and in another profile as much more as that one's `max_examples` is more than 100."""
    most = max(1, quick * settings().max_examples // 100)
    return settings(max_examples=most, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, reach: int | None = None) -> bytes:
    """`whole` with a few bytes of the first `reach` written over, left out or put in, perhaps cut."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(data), len(data) if reach is None else reach)))
        junk = draw(st.one_of(st.sampled_from(LIES), st.binary(min_size=1, max_size=6)))
        match draw(st.sampled_from(["over", "over", "in", "out", "cut"])):
            case "over":
                data[at : at + len(junk)] = junk
            case "in":
                data[at:at] = junk
            case "out":
                del data[at : at + len(junk)]
            case "cut":
                del data[at:]
    return bytes(data)
