"""A peer to compare with: llama.cpp's `llama-server`, through its `POST /infill`, as a `Backend`.

The server renders the prompt of its model's family itself, and keeps of prefix and suffix what fits one batch (three
quarters and one quarter of `--batch-size`). Format: llama.cpp `tools/server/README.md`, build b11434. For benchmarks:
the answer comes in one piece, so `cancel` is looked at before and after it only. Knows no model by name.
"""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import httpx

from foretype.model.backend import BackendError, Cancel, EditQuestion, EditResult, FimRequest, FimResult, no_edits


class LlamaServer:
    """Raises `BackendError` when made where no server answers at `url`."""

    def __init__(self, url: str, timeout_s: float = 120.0) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)
        self._reuse = True
        properties = self._call("GET", "/props")
        self.name = _file_name(str(properties.get("model_path") or properties.get("model_alias") or "unknown"))
        self.build = str(properties.get("build_info") or "unknown")

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        cancel.check()
        order = {
            "input_prefix": request.prefix,
            "input_suffix": request.suffix,
            "input_extra": [{"filename": file.path, "text": file.text} for file in request.files],
            "n_predict": request.max_tokens,
            "temperature": 0.0,
            "top_k": 1,
            "samplers": ["top_k"],
            "stop": ["\n"] if request.single_line else [],
            "cache_prompt": self._reuse,
            "stream": False,
        }
        answer = self._call("POST", "/infill", order)
        self._reuse = True
        cancel.check()
        text = str(answer.get("content", ""))
        if request.single_line:
            text = text.partition("\n")[0]
        keep = request.stop(text) if request.stop else None
        timings = answer.get("timings") or {}
        return FimResult(
            text=text if keep is None else text[:keep],
            finish="length" if keep is None and answer.get("stop_type") == "limit" else "stop",
            tokens=int(answer.get("tokens_predicted", 0)),
            prompt_tokens=int(answer.get("tokens_evaluated", 0)),
            cached_tokens=int(timings.get("cache_n", 0)),
            stages_ms={
                "prefill": float(timings.get("prompt_ms", 0.0)),
                "decode": float(timings.get("predicted_ms", 0.0)),
            },
        )

    def reset(self) -> None:
        """The next request reuses nothing of what the server has in its KV cache."""
        self._reuse = False

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        """Nothing: each request is measured cold."""

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        raise no_edits("llama-server")

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = self._client.request(method, self._url + path, json=body)
            answer = response.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            kind = type(error).__name__
            raise BackendError(
                f"no llama-server answers at {self._url} ({kind}): start it, or give its --url"
            ) from error
        except ValueError as error:
            raise BackendError(f"{self._url}{path} answers no JSON: is it a llama-server?") from error
        if not isinstance(answer, dict):
            raise BackendError(f"{self._url}{path} answers no JSON object: is it a llama-server?")
        if response.is_error:
            detail = answer.get("error")
            message = detail.get("message") if isinstance(detail, dict) else detail
            raise BackendError(f"llama-server at {self._url}{path}: {response.status_code} {message}")
        return answer


def _file_name(path: str) -> str:
    """The last part of a path of whichever system the server runs on."""
    return PureWindowsPath(PurePosixPath(path).name).name
