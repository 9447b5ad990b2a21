"""What of captured code goes to the disk: not a piece of a secret, wherever it begins and ends."""

from __future__ import annotations

import pytest

from foretype.context.secrets import HIDDEN
from foretype.lsp.log.capture import columns
from foretype.lsp.log.schema import Capture

# In halves, so that this file does not look like a leak itself.
VALUE = "q8Zt4Lm2Xv" + "9Rk7Bn3Wp6"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA\n" * 30 + "-----END RSA " + "PRIVATE KEY-----\n"
SECRET = f'API_TOKEN = "{VALUE}"\n'


def kept(prefix: str, text: str, suffix: str = "", accepted: str = "") -> tuple[str, str, str, str]:
    """What is kept of the prefix, the suffix, the suggestion and what was accepted of it."""
    found = columns(Capture(7, 3, "a.py", prefix, suffix, text, accepted))
    assert found and found[:3] == (7, 3, "a.py")
    return found[3], found[4], found[5], found[6]


def pieces(*cuts: int) -> list[str]:
    return [SECRET[start:end] for start, end in zip((0, *cuts), (*cuts, len(SECRET)), strict=True)]


@pytest.mark.parametrize(
    "texts",
    [
        *[(*pieces(cut), "") for cut in range(1, len(SECRET))],
        *[(first, "value\n", last) for first, last in (pieces(cut) for cut in range(13, len(SECRET)))],
        *[("x = 1\n", *pieces(cut)) for cut in range(1, len(SECRET))],
        tuple(pieces(8, 20)),
        ("# ", SECRET, ""),
        (KEY[:200], KEY[200:], ""),
        (KEY[:200], "# more\n", KEY[200:]),
        (KEY + "x = 1\n", KEY, KEY),
    ],
)
def test_no_piece_of_a_secret_is_kept(texts: tuple[str, str, str]) -> None:
    prefix, text, suffix = texts
    said = "".join(kept(prefix, text, suffix, text))
    shown = {VALUE[at : at + 4] for at in range(len(VALUE) - 3)} | {"MIIE"}
    assert HIDDEN in said and not [piece for piece in shown if piece in said]


@pytest.mark.parametrize("lines", [0, 900, 1200])  # the key is kept, cut in two, and left behind
def test_a_key_that_begins_before_what_is_kept_is_no_less_one(lines: int) -> None:
    key = KEY.replace("MIIE", "MIIE" * 20)
    prefix, suffix, text, _ = kept(key + "x = 1\n" * lines + "y = ", "2", "\n" * 1990 + SECRET)
    assert "MIIE" not in prefix and VALUE[:4] not in suffix and text == "2"
    assert prefix.endswith("x = 1\ny = " if lines else "\ny = ") and len(prefix) <= 8000 and len(suffix) <= 2000


def test_code_without_secrets_is_kept_as_it_is() -> None:
    assert kept("a = 1\n" * 2000, "b", "c\n" * 2000, "b") == (("a = 1\n" * 2000)[-8000:], "c\n" * 1000, "b", "b")


@pytest.mark.parametrize(("accepted", "left"), [("", ""), (SECRET[:20], HIDDEN), (SECRET, f'API_TOKEN = "{HIDDEN}"\n')])
def test_what_was_accepted_of_a_secret(accepted: str, left: str) -> None:
    assert kept("x = 1\n", SECRET, "", accepted)[2:] == (f'API_TOKEN = "{HIDDEN}"\n', left)


@pytest.mark.parametrize(
    ("prefix", "suffix"), [("x" * 50_000, ""), ("", "x" * 50_000), (KEY[:100] + "x = 1\n" * 9_000, "")]
)
def test_what_takes_long_to_look_through_is_not_kept(prefix: str, suffix: str) -> None:
    assert columns(Capture(7, 3, "a.py", prefix, suffix, "text", "")) is None
