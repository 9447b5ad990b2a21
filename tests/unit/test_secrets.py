"""Secrets in text: what is seen, what must not be taken for one, and that nothing else is hidden."""

from __future__ import annotations

import pytest

from foretype.context.secrets import HIDDEN, begins, hide, redact, secret

# In halves, so that this file does not look like a leak itself.
RANDOM = "q8Zr2LxV" + "w7NcT4mKd9Yp"
LETTERS = "qZrLxVwNcT" + "mKdYpBhJsG"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc\n-----END RSA " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        f'password = "{RANDOM}"',
        f"PASSWORD: '{RANDOM}'",
        f'db_passwd="{RANDOM}"',
        f'{{"client_secret": "{RANDOM}"}}',
        f"const apiKey = `{RANDOM}`;",
        f'AUTH_TOKEN_V2 := "{RANDOM}"',
        f'headers = {{"Authorization": "Bearer {RANDOM}"}}',
        f"export SECRET_KEY={RANDOM}\n",
        f'token = "{LETTERS}"',
        f"postgres://admin:{RANDOM}@db.internal/main",
        "AKIA" + "IOSFODNN7EXAMPLQ",
        "ghp_" + "a1B2" * 9,
        "xoxb-" + "123456789012-abcdef",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmN",
        PEM,
    ],
)
def test_a_secret_is_seen_and_hidden(text: str) -> None:
    assert secret(text)
    hidden = redact(f"before\n{text}\nafter\n")
    assert HIDDEN in hidden and not secret(hidden)
    assert RANDOM not in hidden and "MIIE" not in hidden and LETTERS not in hidden
    assert hidden.startswith("before\n") and hidden.endswith("\nafter\n")
    assert hidden.count("\n") == f"before\n{text}\nafter\n".count("\n")


@pytest.mark.parametrize(
    "text",
    [
        'password = "password"',
        'PASSWORD = "changeme1234"',
        'token = "csrfmiddlewaretoken"',
        "secret = os.environ['SECRET_KEY']",
        'api_key = "your-api-key-1"',
        'api_key = "${API_KEY_V2}"',
        'password = f"{user}-{salt1}"',
        "def check_password(password, encoded1=None): return hasher2",
        "token = get_token(request2)",
        'url = "https://user:password@example.com/"',
        'token_type = "access_token_v2" if secret_key else ""',
        "-----BEGIN PUBLIC KEY-----",
        "task-list risk-assessment half_open SG.x",
        'commit = "da39a3ee5e6b4b0d3255bfef95601890afd80709"',
        "",
    ],
)
def test_ordinary_code_is_left_as_it_is(text: str) -> None:
    assert not secret(text)
    assert redact(text) == text


def test_a_key_that_is_cut_off_is_hidden_to_the_end() -> None:
    assert redact(f"x = 1\n{PEM[:60]}") == f"x = 1\n{HIDDEN}\n\n\n"


def test_places_that_overlap_are_hidden_to_the_end_of_each() -> None:
    assert hide("a1234\n5678b", [(3, 9), (1, 7), (2, 4)]) == f"a{HIDDEN}\n8b"


def test_a_private_key_is_looked_at_from_its_beginning_and_all_else_from_that_of_its_line() -> None:
    text = f"x = 1\n{PEM}\ny = 2\n"
    key, after = text.index("-----"), text.index("y = 2")
    assert [begins(text, at) for at in (-3, 3, key + 40, after + 2)] == [0, 0, key, after]
    assert begins(text.replace("END", "DNE"), after) == key


def test_letters_that_grow_when_lowered_move_nothing() -> None:
    text = f'# İİİ\npassword = "{RANDOM}"  # İ\n'
    assert redact(text) == f'# İİİ\npassword = "{HIDDEN}"  # İ\n'


def test_time_is_linear_in_hostile_text() -> None:
    for text in (
        "token=" * 20_000,
        "password" + " " * 100_000,
        "://" * 40_000,
        "-----BEGIN " * 10_000,
        "eyJa" * 30_000,
    ):
        secret(text)
