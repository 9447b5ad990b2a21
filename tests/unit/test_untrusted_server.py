"""A completion server is not trusted with more than it was sent: what it answers costs little, and leads nowhere."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from completion_server import REQUEST, Handler, Server, backends, failure, good, serving, status

from foretype.model import openai, sse
from foretype.model.backend import BackendError, Cancel
from foretype.model.openai import OpenAIBackend

# Made for these tests and for nothing else: a certificate of "localhost" that signs itself, until 2126, and its key.
CERTIFICATE = (
    "MIIBljCCATugAwIBAgIUT698JivZuov/SGJ9FssInueoOd0wCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAX"
    "DTI2MTEyMjE4Mzk1NFoYDzIxMjYxMDI5MTgzOTU0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO"
    "PQMBBwNCAASO87/H5PQPdARYy1vpjRjxlSOODT+BExyI2fRpz0kLA3eVWdRSn9dTkFM0/MZiQ1o8LxPhx1e9V744ffDX2dE6"
    "o2kwZzAdBgNVHQ4EFgQUUWmnyJqUj2vONNkKhgvjEdHJFG8wHwYDVR0jBBgwFoAUUWmnyJqUj2vONNkKhgvjEdHJFG8wDwYD"
    "VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDSQAwRgIhAJxfrXnaXkFBXx3ubPIzZW0N"
    "sm8iz4rVxOlZdK5UkPd7AiEA7feTWtn2o6NX4zXztBw7e2bIknBOOnPMoP2O9X8K12s="
)
KEY = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgaGn+02fkTIzg/zF3TTIXq4ayrGjMx3CKPhwVPTs8Co2hRANC"
    "AASO87/H5PQPdARYy1vpjRjxlSOODT+BExyI2fRpz0kLA3eVWdRSn9dTkFM0/MZiQ1o8LxPhx1e9V744ffDX2dE6"
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def connect(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)
    with backends(server) as connect:
        yield connect


def pem(kind: str, body: str) -> str:
    return "\n".join([f"-----BEGIN {kind}-----", *textwrap.wrap(body, 64), f"-----END {kind}-----", ""])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with the certificate and its key."""
    path = tmp_path / "localhost.pem"
    path.write_text(pem("CERTIFICATE", CERTIFICATE) + pem("PRIVATE " + "KEY", KEY))
    return path


@contextmanager
def encrypted(certificate: Path) -> Iterator[Server]:
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.script[:] = [good]
        yield server


# Where it goes


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(connect, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setenv("FORETYPE_API_KEY", "sk-0123")
    with serving() as other:
        other.script[:] = [good]
        for place in (f"{other.url}/v1/completions", f"//127.0.0.1:{other.server_port}/v1/completions"):
            assert "not followed" in failure(connect(status(code, Location=place)))
        assert not other.arrived.is_set() and other.headers == []


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)
    with encrypted(certificate) as server:
        url = f"https://localhost:{server.server_port}"
        refused = OpenAIBackend(url, "m", retries=0, timeout_s=20)
        assert "CERTIFICATE_VERIFY_FAILED" in failure(refused)
        refused.close()
        assert server.bodies == []


def test_a_certificate_counts_for_its_own_host(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server whose certificate the user trusts: at its name it is asked, at another address it is not."""
    monkeypatch.setattr(openai, "_is_loopback", lambda host: False)  # the user's SSL_CERT_FILE counts for others alone
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with encrypted(certificate) as server:
        trusted = OpenAIBackend(f"https://localhost:{server.server_port}", "m", retries=0, timeout_s=20)
        assert trusted.complete(REQUEST, Cancel()).text == "1 + 1"
        trusted.close()
        asked = len(server.bodies)
        elsewhere = OpenAIBackend(f"https://127.0.0.1:{server.server_port}", "m", retries=0, timeout_s=20)
        assert "CERTIFICATE_VERIFY_FAILED" in failure(elsewhere)
        elsewhere.close()
        assert len(server.bodies) == asked


def test_a_server_without_encryption_is_not_spoken_to_in_the_clear(server: Server) -> None:
    backend = OpenAIBackend(f"https://127.0.0.1:{server.server_port}", "m", retries=0, timeout_s=20)
    assert "cannot reach" in failure(backend)
    backend.close()
    assert server.bodies == []


def test_files_of_the_workspace_name_no_proxy_and_no_password(
    connect, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as trap:
        trap.script[:] = [good]
        proxy = f"http://127.0.0.1:{trap.server_port}"
        for name in (".env", ".envrc", "setup.cfg", ".httpx", ".curlrc", "pip.conf", ".foretype.toml"):
            (tmp_path / name).write_text(
                f"HTTPS_PROXY={proxy}\nHTTP_PROXY={proxy}\nALL_PROXY={proxy}\nproxy = {proxy}\n"
            )
        (tmp_path / ".netrc").write_text(
            "machine 127.0.0.1 login evil password evil\ndefault login evil password evil\n"
        )
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("FORETYPE_API_KEY", raising=False)
        assert connect(good).complete(REQUEST, Cancel()).text == "1 + 1"
        assert not trap.arrived.is_set()
    assert "authorization" not in server.headers[0]


# What it answers


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
@pytest.mark.parametrize("code", [200, 500])
def test_an_answer_that_unpacks_to_gigabytes_is_not_unpacked(connect, coding: str, code: int) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < sse.MAX_ANSWER_BYTES
    message = failure(connect(status(code, bomb, Content_Encoding=coding, Content_Type="text/event-stream"), retries=0))
    assert ("compresses" in message) == (code == 200)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"text": "a", "finish_reason": "stop"}], "usage": "many"},
        {"choices": [{"text": "a", "finish_reason": "stop"}], "usage": {"prompt_tokens": "x", "completion_tokens": []}},
        {"choices": [{"text": "a", "finish_reason": "stop"}], "usage": {"prompt_tokens_details": [1]}},
        {"choices": [{"text": "a", "finish_reason": {"a": 1}}]},
        {"choices": [{"text": "a", "finish_reason": "stop", "logprobs": {"token_logprobs": [10**400]}}]},
        {"choices": [{"text": "a", "finish_reason": "stop", "logprobs": {"token_logprobs": "abc"}}]},
        {"choices": [{"text": "a", "finish_reason": "stop", "logprobs": {"content": [1, 2]}}]},
        {"choices": [{"text": ["a"], "finish_reason": "stop"}]},
        {"choices": "abc"},
        {"choices": [None]},
        {"choices": None},
        {},
        [],
        None,
        "text",
        -1,
    ],
    ids=str,
)
@pytest.mark.parametrize("streamed", [True, False])
def test_any_shape_is_an_answer_or_one_error(connect, event: object, streamed: bool) -> None:
    def answer(handler: Handler) -> None:
        data = json.dumps(event).encode()
        handler.begin("text/event-stream" if streamed else "application/json")
        handler.piece(b"data: " + data + b"\n\n" if streamed else data)
        handler.piece(b"")

    try:
        assert connect(answer, retries=0).complete(REQUEST, Cancel()).text == "a"
    except BackendError as error:
        assert "\n" not in str(error)


def test_headers_without_end(server: Server) -> None:
    """A server that goes on with headers for ever is given up on, by their size or in time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def endless() -> None:
        there, _ = listener.accept()
        with there:
            there.recv(1 << 16)
            try:
                there.sendall(b"HTTP/1.1 200 OK\r\n")
                while True:
                    there.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
            except OSError:
                return

    thread = threading.Thread(target=endless, daemon=True)
    thread.start()
    backend = OpenAIBackend(f"http://127.0.0.1:{listener.getsockname()[1]}", "m", retries=0, timeout_s=20)
    assert "\n" not in failure(backend)
    backend.close()
    listener.close()
    thread.join(timeout=20)
    assert not thread.is_alive()
