"""The answer of a completion server as it comes in: server-sent events, OpenAI's completion objects, the text so far.

Knows nothing of connections and retries; `model/openai.py` opens the response and decides what to ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from foretype.model.backend import BackendError, FimRequest, FimResult
from foretype.model.fim import answer_end

# An answer of a hundred tokens with its JSON is about 50 KiB; more than this is no completion.
MAX_ANSWER_BYTES = 4 << 20
# How long the end of a body may take after its last event, so that the connection can be used again.
DRAIN_S = 0.05


async def read_answer(
    response: httpx.Response, request: FimRequest, stop: Iterable[str], start: float, prompt: str
) -> FimResult:
    """Reads until the answer is complete; the caller closes the response, which ends the server's work.

    `start` is when the request began (`time.monotonic`), `prompt` what was sent (so as never to repeat it in an error).
    Raises `BackendError` for an answer that is too long, malformed, an error, or cut off; `httpx` errors pass through.
    """
    server, stop = response.url.host, tuple(stop)
    streamed = "text/event-stream" in response.headers.get("content-type", "")
    answer, first, end, done = _Answer(), None, None, not streamed
    async with contextlib.aclosing(_events(response) if streamed else _whole(response)) as events:
        async for data in events:
            if data == b"[DONE]":
                done = True
                await _drain(events)
                break
            try:
                event = json.loads(data)
                if event.get("error"):
                    raise BackendError(f"{server} failed{said(data.decode(errors='replace'), prompt)}")
                grown = answer.add(event)
            except (ValueError, ArithmeticError, AttributeError, TypeError, KeyError, RecursionError):
                raise BackendError(f"{server} does not answer as /v1/completions does; check openai.url") from None
            if grown:
                first = first or time.monotonic()
                end = answer_end(answer.text, request, stop)
                if end is not None:
                    break
    if end is None and not done and not answer.finish:
        raise BackendError(f"{server} broke off its answer; try again")
    return answer.result(end, start, first)


def said(body: str, prompt: str) -> str:
    """What the server says is wrong, as `: TEXT` on one line; "" when it says nothing or quotes the prompt.

    Servers that validate their input put it into the message, and messages end up in logs.
    """
    try:
        found = json.loads(body)
        error = found.get("error") or found
        message = error if isinstance(error, str) else error.get("message") or ""
    except (ValueError, AttributeError):
        return ""
    message = " ".join(str(message).replace("\\n", " ").split())[:200]
    sent = " ".join(prompt.split())
    quoted = any(message[start : start + 12] in sent for start in range(len(message) - 11))
    return f": {message}" if message and not quoted else ""


async def read_start(response: httpx.Response, limit: int = 16 << 10) -> str:
    """The first bytes of a body as text, for an error message."""
    data = b""
    with contextlib.suppress(httpx.HTTPError):
        async for chunk in response.aiter_raw():
            data += chunk
            if len(data) >= limit:
                break
    return data[:limit].decode(errors="replace")


@dataclass
class _Answer:
    """What has come in so far; `chunks` has for each piece where its text begins and its tokens' logprobs."""

    text: str = ""
    finish: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    chunks: list[tuple[int, list[float]]] = field(default_factory=list)

    def add(self, event: Any) -> bool:
        """Takes in one completion object and says whether the text grew; another shape raises a dict's errors."""
        usage = event.get("usage")
        self.usage = usage if isinstance(usage, dict) else self.usage
        begin = len(self.text)
        for choice in event["choices"][:1]:
            if text := choice.get("text"):
                self.chunks.append((begin, _logprobs(choice.get("logprobs"))))
                self.text += text
            self.finish = choice.get("finish_reason") or self.finish
        return len(self.text) > begin

    def result(self, end: int | None, start: float, first: float | None) -> FimResult:
        text = self.text if end is None else self.text[:end]
        kept = [logprobs for begin, logprobs in self.chunks if begin < len(text)]
        logprobs = tuple(value for values in kept for value in values)
        counted = _count(self.usage, "completion_tokens") if end is None else 0
        now = time.monotonic()
        return FimResult(
            text=text,
            finish="length" if end is None and self.finish == "length" else "stop",
            tokens=len(logprobs) or counted or len(kept),
            logprobs=logprobs,
            prompt_tokens=_count(self.usage, "prompt_tokens"),
            cached_tokens=_count(self.usage.get("prompt_tokens_details"), "cached_tokens"),
            stages_ms={"wait": 1000 * ((first or now) - start), "stream": 1000 * (now - (first or now))},
        )


async def _events(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """What stands after `data:` (WHATWG HTML, 9.2.6), a line an event, as these servers write it.

    Lines end at LF or CRLF alone: JSON may hold U+2028 and the like as they are.
    """
    rest = b""
    async for chunk in _bounded(response):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


async def _whole(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The one object of a server that does not stream."""
    yield b"".join([chunk async for chunk in _bounded(response)])


async def _bounded(response: httpx.Response) -> AsyncIterator[bytes]:
    size = 0
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # not asked for, and a few bytes of it can be gigabytes
        raise BackendError(f"{response.url.host} compresses its answer, which was not asked for; check openai.url")
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise BackendError(f"{response.url.host} answered more than {MAX_ANSWER_BYTES >> 20} MiB to one request")
        yield chunk


async def _drain(events: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(TimeoutError, httpx.HTTPError, BackendError):
        async with asyncio.timeout(DRAIN_S):
            async for _ in events:
                pass


def _logprobs(value: Any) -> list[float]:
    """The chosen tokens' logprobs, in the form of vLLM (lists) or of llama.cpp's server (objects); else none."""
    if not isinstance(value, dict):
        return []
    found = value.get("token_logprobs")
    if found is None:
        found = [entry.get("logprob") for entry in value.get("content") or []]
    return [float(number) for number in found if isinstance(number, (int, float))]


def _count(usage: Any, key: str) -> int:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else 0
