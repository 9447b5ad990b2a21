"""Completions from a server that speaks OpenAI's `/v1/completions`: vLLM, llama.cpp's server, Ollama, hosted ones.

With a family the prompt is rendered here: vLLM and llama.cpp's server want that, they refuse a `suffix`. Without one
the server gets `prompt` and `suffix` and lays them out itself: Ollama wants that, it puts a template around any prompt.
Knows nothing of tokens: text is cut by characters.

What leaves the machine: the text around the cursor, the files of the request, the model's name, and the key if the
environment variable is set. `https` with verified certificates, or `http` to this machine alone; redirects are not
followed. A proxy and certificate files are taken from the user's environment (`HTTPS_PROXY`, `NO_PROXY`,
`SSL_CERT_FILE`) and from nowhere else; a server on this machine is always spoken to directly. Each request that leaves
has a line in the trail of `sent.py`.

The requests run on an event loop in a thread of their own: that is the one way to give up a connection that waits,
whatever it waits for (name lookup, handshake, the first byte, the next one), at once and on every platform. All
windows of a process together have a number of turns at a server (`model/turns.py`).

Servers keep the key-value cache of a prompt's beginning. So other files come first, and the prefix begins at a place
that typing does not move (`fim.crop`): what is new from key to key is at the end of the prefix, and the suffix.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import email.utils
import ipaddress
import json
import logging
import os
import random
import threading
import time
from typing import Any

import httpx

from foretype import __version__
from foretype.model.backend import (
    BackendError,
    Cancel,
    Cancelled,
    EditQuestion,
    EditResult,
    FimRequest,
    FimResult,
    no_edits,
)
from foretype.model.connections import Connections
from foretype.model.fim import FAMILIES, crop, render
from foretype.model.sent import UNNAMED, Sent, Trail
from foretype.model.sse import read_answer, read_start, said
from foretype.model.turns import turns

log = logging.getLogger(__name__)

# The first wait before trying again; it doubles each time.
BACKOFF_S = 0.1


class OpenAIBackend:
    """`url` is the server, its `/v1`, or the whole address of its completions. `family` "" means prompt and suffix.

    `api_key_env` names the environment variable that holds the key. `timeout_s` bounds a request with everything in
    it, the `retries` too, and the wait for one of the `concurrent` turns. `trail` is where it is written down what was
    sent, the user's own without one. Raises `BackendError` at once for a URL, family or key that cannot be used.
    """

    def __init__(
        self,
        url: str,
        model: str,
        family: str = "",
        api_key_env: str = "FORETYPE_API_KEY",
        timeout_s: float = 10.0,
        retries: int = 2,
        prefix_chars: int = 8000,
        suffix_chars: int = 2000,
        trail: Trail | None = None,
        concurrent: int = 4,
    ) -> None:
        if family and family not in FAMILIES:
            raise BackendError(f"openai.family {family!r} is not known; choose one of {', '.join(FAMILIES)}")
        self.name = f"openai:{model}"
        self._url, self._local = _endpoint(url)
        self._server = self._url.netloc.decode()
        self._turns = turns(str(self._url), concurrent)
        self._model = model
        self._family = FAMILIES.get(family)
        self._api_key_env = api_key_env
        self._timeout_s = timeout_s
        self._retries = retries
        self._chars = (prefix_chars, suffix_chars)
        # Whether to send fields beyond the common ones; learned from the first answer.
        self._extras = True
        headers = _headers(api_key_env)
        self._connections = Connections(
            lambda: httpx.AsyncClient(
                headers=headers, timeout=timeout_s, follow_redirects=False, trust_env=not self._local
            )
        )
        self._trail = trail or Trail()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="foretype-openai", daemon=True)
        self._thread.start()

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        cancel.check()
        if self._closed:
            raise BackendError(f"the connection to {self._server} was closed")
        future = asyncio.run_coroutine_threadsafe(self._answer(request), self._loop)

        def give_up() -> None:
            future.cancel()

        cancel.on_set(give_up)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise Cancelled from None

    def check(self, timeout_s: float) -> str:
        """What is wrong with the server, on one line, or "" where it lives; blocks for at most `timeout_s`.

        `GET /health` beside `/v1`, which vLLM and llama.cpp's server have, without text and without the key. A server
        that knows no such page or method, or wants a key for it, lives; llama.cpp's says 503 until its model is loaded.
        """
        closed = f"the connection to {self._server} was closed"
        if self._closed:
            return closed
        try:
            return asyncio.run_coroutine_threadsafe(self._health(timeout_s), self._loop).result(timeout_s + 1)
        except (concurrent.futures.CancelledError, TimeoutError, RuntimeError):  # or while this began
            return closed

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        """Nothing: the server reads when it is asked."""

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        raise no_edits(self.name)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(concurrent.futures.TimeoutError):
            asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(timeout=1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._loop.close()
        self._trail.close()

    async def _shut_down(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._connections.aclose()

    async def _health(self, timeout_s: float) -> str:
        path = self._url.path.removesuffix("/completions").removesuffix("/v1")
        self._trail.put(Sent(int(time.time() * 1000), self._server, self._local, 0))
        try:
            async with asyncio.timeout(timeout_s), self._connections.client() as client:
                request = client.build_request("GET", self._url.copy_with(path=f"{path}/health"))
                request.headers.pop("Authorization", None)
                response = await client.send(request, stream=True)
                await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            return f"{self._server} does not answer"
        except httpx.HTTPError as error:
            return f"cannot reach {self._server} ({error})"
        lives = response.status_code < 500 or response.status_code == 501
        return "" if lives else f"{self._server} is not ready ({response.status_code})"

    async def _answer(self, request: FimRequest) -> FimResult:
        start = time.monotonic()
        prompt = self._prompt(request)
        sent = "".join(prompt.values())
        stop = self._family.stop if self._family else ()
        try:
            async with asyncio.timeout(self._timeout_s), self._turns.turn(), self._connections.client() as client:
                response = await self._send(client, request, prompt, give_up_at=start + self._timeout_s)
                try:
                    if response.status_code != 200:
                        raise BackendError(await self._refusal(response, sent))
                    return await read_answer(response, request, stop, start, sent)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise BackendError(
                f"{self._server} did not answer within {self._timeout_s:g} s (openai.timeout_s)"
            ) from None
        except httpx.HTTPError as error:
            raise BackendError(f"{self._server} broke off its answer ({type(error).__name__}); try again") from None

    async def _send(
        self, client: httpx.AsyncClient, request: FimRequest, prompt: dict[str, str], give_up_at: float
    ) -> httpx.Response:
        """The response, its body unread, after trying again where that can help: until then nothing was answered."""
        extras, attempt = self._extras, 0
        while True:
            content = json.dumps(self._body(request, prompt, extras)).encode()
            self._trail.put(self._sent(request, len(content)))
            try:
                response = await client.send(client.build_request("POST", self._url, content=content), stream=True)
            except httpx.TimeoutException:
                raise
            except httpx.TransportError as error:
                if attempt >= self._retries:
                    raise BackendError(
                        f"cannot reach {self._server} ({error}): does the server run, is openai.url right?"
                    ) from None
                wait_s = _backoff(attempt)
            else:
                status = response.status_code
                if status in (400, 422) and extras:
                    log.info("%s refuses a request (%d); trying without optional fields", self._server, status)
                    extras, wait_s = False, 0.0
                elif status == 429 or status >= 500:
                    wait_s = max(_backoff(attempt), _retry_after(response))
                    if attempt >= self._retries or time.monotonic() + wait_s > give_up_at:
                        return response
                else:
                    # A refusal for another reason says nothing about the optional fields.
                    self._extras = extras if status == 200 else self._extras
                    return response
                await response.aclose()
            attempt += 1 if wait_s else 0
            await asyncio.sleep(wait_s)

    def _sent(self, request: FimRequest, body_bytes: int) -> Sent:
        # without a family the server lays out the document's text, and gets nothing else
        others = (file.path for file in request.files) if self._family else ()
        files = tuple(dict.fromkeys((request.path or UNNAMED, *others)))
        return Sent(int(time.time() * 1000), self._server, self._local, body_bytes, files)

    def _prompt(self, request: FimRequest) -> dict[str, str]:
        prefix, suffix = crop(request.prefix, request.suffix, *self._chars)
        if self._family:
            return {"prompt": render(self._family, prefix, suffix, request.files, request.path)}
        return {"prompt": prefix, "suffix": suffix}

    def _body(self, request: FimRequest, prompt: dict[str, str], extras: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            **prompt,
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "stream": True,
        }
        if stop := [*(self._family.stop if self._family else ()), *(["\n"] if request.single_line else [])]:
            body["stop"] = stop
        if extras:
            body |= {"logprobs": 1, "stream_options": {"include_usage": True}}
            if self._family:
                # vLLM's own: otherwise it leaves special tokens out of its text, and stop strings never see them.
                body["skip_special_tokens"] = False
        return body

    async def _refusal(self, response: httpx.Response, sent: str) -> str:
        status = response.status_code
        if 300 <= status < 400:
            return f"{self._server} redirects to another place ({status}), which is not followed; correct openai.url"
        if status in (401, 403):
            return f"{self._server} refuses the key ({status}); put a valid one into ${self._api_key_env}"
        reason = f"{status}{said(await read_start(response), sent)}"
        if status == 404:
            return f"{self._server} knows no {self._url.path} or no such model ({reason}); check openai.url and model"
        if status == 429:
            return f"{self._server} is asked too often ({reason}); wait, or choose another server"
        return f"{self._server} failed ({reason})"


def _endpoint(url: str) -> tuple[httpx.URL, bool]:
    """The address of the completions, and whether it is on this machine."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise BackendError(f"openai.url is no address ({error}); it looks like http://127.0.0.1:8000/v1") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BackendError("openai.url must start with https://, or with http:// for a server on this machine")
    if parsed.userinfo:
        raise BackendError("openai.url must not hold a user or password; put the key into the environment")
    local = _is_loopback(parsed.host)
    if parsed.scheme == "http" and not local:
        raise BackendError(f"openai.url: http:// is only for this machine; use https://{parsed.host}")
    path = parsed.path.rstrip("/")
    if not path.endswith("/completions"):
        path = f"{path or '/v1'}/completions"
    return parsed.copy_with(path=path), local


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _headers(api_key_env: str) -> dict[str, str]:
    # No compression: small pieces would wait in the server's compressor.
    headers = {
        "User-Agent": f"foretype/{__version__}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
    }
    key = os.environ.get(api_key_env, "").strip() if api_key_env else ""
    if key and not (key.isascii() and key.isprintable()):
        raise BackendError(f"the key in ${api_key_env} has characters that no key has; set it again")
    return headers | ({"Authorization": f"Bearer {key}"} if key else {})


def _backoff(attempt: int) -> float:
    return BACKOFF_S * 2**attempt * random.uniform(0.5, 1.0)


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks for (RFC 9110, 10.2.3: a number or a date); 0 when it does not."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return 0.0
