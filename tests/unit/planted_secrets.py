"""Lines of code that hold made-up secrets of many kinds, put together when needed, so that this file has none."""

from __future__ import annotations

import random
import string

_HEX, _UPPER, _WORD = "0123456789abcdef", string.ascii_uppercase + string.digits, string.ascii_letters + string.digits
_RNG = random.Random(7)


def _of(alphabet: str, count: int) -> str:
    """Random characters, none of them twice in a row, with digits and letters mixed."""
    return "".join(_RNG.choice(alphabet) for _ in range(count))


def _set(value: str, name: str = "value") -> str:
    return f'{name} = "{value}"\n'


def _pem(kind: str) -> str:
    body = "".join(f"{_of(_WORD + '+/', 64)}\n" for _ in range(12))
    return f'KEY = """-----BEGIN {kind}PRIVATE' + f" KEY-----\n{body}-----END {kind}PRIVATE" + ' KEY-----"""\n'


PLANTED = {
    "aws_key": _set("AK" + "IA" + _of(_UPPER, 16)),
    "aws_session": _set("AS" + "IA" + _of(_UPPER, 16)),
    "aws_secret": _set(_of(_WORD + "/+", 40), "aws_secret_access_key"),
    "artifactory": _set("AK" + "C" + _of(_WORD, 12), "artifactory"),
    "azure_storage": _set("Account" + "Key=" + _of(_WORD + "+/", 86) + "=="),
    "basic_auth": _set("https://user:" + _of(_WORD, 14) + "@host.example.org/"),
    "cloudant": _set("https://" + _of("abcdef", 8) + ":" + _of(_HEX, 64) + "@" + _of("abcdef", 8) + ".cloudant.com"),
    "discord": _set("M" + _of(_WORD, 23) + "." + _of(_WORD, 6) + "." + _of(_WORD, 27)),
    "github_pat": _set("gh" + "p_" + _of(_WORD, 36)),
    "github_oauth": _set("gh" + "o_" + _of(_WORD, 36)),
    "github_app": _set("gh" + "s_" + _of(_WORD, 36)),
    "github_fine": _set("github" + "_pat_" + _of(_WORD, 22) + "_" + _of(_WORD, 59)),
    "gitlab": _set("gl" + "pat-" + _of(_WORD, 20)),
    "google_api": _set("AI" + "za" + _of(_WORD, 35)),
    "google_oauth": _set("ya" + "29." + _of(_WORD, 60)),
    "google_client": _set("GOC" + "SPX-" + _of(_WORD, 28)),
    "hugging_face": _set("h" + "f_" + _of(string.ascii_letters, 34)),
    "ibm_cos": _set(_of(_HEX, 48), "ibm_cos_secret_access_key"),
    "jwt": _set("ey" + "J" + _of(_WORD, 30) + ".ey" + "J" + _of(_WORD, 60) + "." + _of(_WORD, 43)),
    "mailchimp": _set(_of(_HEX, 32) + "-us" + "12"),
    "npm": _set("np" + "m_" + _of(_WORD, 36)),
    "npmrc": _set(
        "//registry.example.org/:_auth" + "Token=" + _of(_HEX, 8) + "-" + _of(_HEX, 4) + "-4abc-8abc-" + _of(_HEX, 12)
    ),
    "openai": _set("s" + "k-" + _of(_WORD, 20) + "T3Blbk" + "FJ" + _of(_WORD, 20)),
    "openai_project": _set("s" + "k-proj-" + _of(_WORD, 60)),
    "anthropic": _set("s" + "k-ant-api03-" + _of(_WORD, 80)),
    "pem": _pem(""),
    "pem_rsa": _pem("RSA "),
    "pem_ec": _pem("EC "),
    "pem_openssh": _pem("OPENSSH "),
    "pypi": _set("py" + "pi-AgEIcHlwaS5vcmc" + _of(_WORD, 90)),
    "sendgrid": _set("S" + "G." + _of(_WORD, 22) + "." + _of(_WORD, 43)),
    "slack_bot": _set("xo" + "xb-" + _of(string.digits, 12) + "-" + _of(_WORD, 24)),
    "slack_user": _set("xo" + "xp-" + _of(string.digits, 12) + "-" + _of(_WORD, 24)),
    "slack_hook": _set(
        "https://hooks." + "slack.com/services/T" + _of(_UPPER, 8) + "/B" + _of(_UPPER, 8) + "/" + _of(_WORD, 24)
    ),
    "softlayer": _set(_of(_HEX, 64), "softlayer_api_key"),
    "square": _set("sq0" + "csp-" + _of(_WORD, 43)),
    "stripe": _set("s" + "k_live_" + _of(_WORD, 24)),
    "stripe_restricted": _set("r" + "k_live_" + _of(_WORD, 24)),
    "telegram": _set(_of("123456789", 10) + ":AA" + _of(_WORD, 33)),
    "twilio": _set("S" + "K" + _of(_HEX, 32)),
    "twilio_account": _set("A" + "C" + _of(_HEX, 32)),
    "digitalocean": _set("do" + "p_v1_" + _of(_HEX, 64)),
    "password": _set(_of(_WORD, 16), "db_password"),
    "bearer": _set("Bearer " + _of(_WORD, 40), "authorization"),
    "hex_entropy": _set(_of(_HEX, 40)),
    "base64_entropy": _set(_of(_WORD + "+/", 60)),
}
