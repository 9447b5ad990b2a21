"""Completions from any fill-in-the-middle model of the Hugging Face hub, through transformers, in this process.

Slower than the local engine: nothing is kept between requests. For models that the engine cannot build, and to
compare with. Reads safetensors only, and runs no code that comes with a model. `torch` and `transformers` are imported
when a backend is made, so that nobody else pays for them.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
import time
from typing import Any

from foretype.model.backend import (
    BackendError,
    Cancel,
    ContextFile,
    EditQuestion,
    EditResult,
    FimRequest,
    FimResult,
    no_edits,
)
from foretype.model.catalogue import is_path
from foretype.model.fim import FAMILIES, Family, Sentinel, answer_end, crop, family_of, layout

# Tokens between two looks at the cancellation while the prompt is read.
PREFILL_TOKENS = 64


class HfBackend:
    """`name_or_path` is a repository of the hub or a folder; `family` "" means as its name or architecture says.

    `device` and `dtype` are torch's names, or "auto": the first GPU if there is one, and the type of the weights.
    Raises `BackendError` when packages, weights or sentinels are missing.
    """

    def __init__(
        self,
        name_or_path: str,
        family: str = "",
        device: str = "auto",
        dtype: str = "auto",
        prefix_chars: int = 8000,
        suffix_chars: int = 2000,
    ) -> None:
        if family and family not in FAMILIES:
            raise BackendError(f"family {family!r} is not known; choose one of {', '.join(FAMILIES)}")
        self.name = f"hf:{name_or_path}"
        self._torch, self._tokenizer, self._model = _load(name_or_path, device, dtype)
        found = FAMILIES.get(family) or family_of(name_or_path) or family_of(self._model.config.model_type)
        if not found:
            raise BackendError(f"no family is known for {name_or_path}; name one of {', '.join(FAMILIES)}")
        self._family: Family = found
        self._chars = (prefix_chars, suffix_chars)
        self._vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        for sentinel in found.sentinels:
            self._id(sentinel)
        self._stop = self._stop_ids()
        special = {token.content for token in self._tokenizer.added_tokens_decoder.values() if token.special}
        reserved = sorted(special | found.reserved, key=len, reverse=True)
        self._reserved = re.compile("|".join(map(re.escape, reserved)))
        self._forward_options = (
            {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(self._model.forward).parameters else {}
        )

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        cancel.check()
        try:
            with self._torch.inference_mode():
                return self._generate(request, cancel)
        except RuntimeError as error:
            # torch's own errors, out of memory above all; the first line has no contents in it.
            raise BackendError(f"{self.name} failed: {_line(error)}") from error

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        """Nothing: what is read here is not kept."""

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        raise no_edits(self.name)

    def close(self) -> None:
        self._model = None

    def _generate(self, request: FimRequest, cancel: Cancel) -> FimResult:
        if self._model is None:
            raise BackendError(f"{self.name} was closed")
        start = time.monotonic()
        prompt = self._prompt(request)
        # Models with a recurrent state take a prompt whole or token by token.
        step = len(prompt) if getattr(self._model, "_is_stateful", False) else PREFILL_TOKENS
        cache: Any = None
        for begin in range(0, len(prompt), step):
            cancel.check()
            logits, cache = self._forward(prompt[begin : begin + step], cache)
        prefilled = time.monotonic()
        ids: list[int] = []
        logprobs: list[float] = []
        text, finish = "", "length"
        while len(ids) < request.max_tokens:
            cancel.check()
            token = int(logits.argmax())
            if token in self._stop:
                finish = "stop"
                break
            ids.append(token)
            logprobs.append(float(logits.log_softmax(-1)[token]))
            text = self._decode(ids)
            end = answer_end(text, request)
            if end is not None:
                text, finish = text[:end], "stop"
                break
            if len(ids) < request.max_tokens:
                logits, cache = self._forward([token], cache)
        return FimResult(
            text=text,
            finish=finish,
            tokens=len(ids),
            logprobs=tuple(logprobs),
            prompt_tokens=len(prompt),
            stages_ms={"prefill": 1000 * (prefilled - start), "decode": 1000 * (time.monotonic() - prefilled)},
        )

    def _forward(self, ids: list[int], cache: Any) -> tuple[Any, Any]:
        """The last token's logits (one for each token of the vocabulary, float32) and the cache after it."""
        out = self._model(
            input_ids=self._torch.tensor([ids], device=self._model.device),
            past_key_values=cache,
            use_cache=True,
            **self._forward_options,
        )
        return out.logits[0, -1].float(), out.past_key_values

    def _prompt(self, request: FimRequest) -> list[int]:
        """The prompt's tokens; where the model cannot take all, without other files and then with shorter sides."""
        room = getattr(self._model.config, "max_position_embeddings", None) or 1 << 30
        chars, files = self._chars, request.files
        while True:
            prefix, suffix = crop(request.prefix, request.suffix, *chars)
            ids = self._encode(prefix, suffix, files, request.path)
            if len(ids) + request.max_tokens <= room or not max(chars):
                return ids
            if not files:
                chars = (chars[0] // 2, chars[1] // 2)
            files = ()

    def _encode(self, prefix: str, suffix: str, files: tuple[ContextFile, ...], path: str) -> list[int]:
        begin = list(self._tokenizer("").input_ids)
        ids = begin if begin == [self._tokenizer.bos_token_id] else []
        for part in layout(self._family, prefix, suffix, files, path):
            if isinstance(part, Sentinel):
                ids.append(self._id(part))
            else:
                ids += self._plain(part.text, bare=self._family.bare_suffix and part.role == "suffix")
        return ids

    def _plain(self, text: str, bare: bool) -> list[int]:
        """The tokens of plain text. What reads like a special token is encoded in two halves.

        tokenizers' own switch for that, `encode_special_tokens`, leaves out the many that are added without being
        "special", such as Qwen's `<|fim_middle|>`.
        """
        cuts = [0, *(match.start() + 1 for match in self._reserved.finditer(text)), len(text)]
        ids: list[int] = []
        for begin, end in itertools.pairwise(cuts):
            anchor = self._anchor if bare or (begin and self._family.bare_suffix) else ""
            piece = self._tokenizer.encode(anchor + text[begin:end], add_special_tokens=False)
            ids += piece[len(self._tokenizer.encode(anchor, add_special_tokens=False)) :] if anchor else piece
        return ids

    # SentencePiece writes a space before a text and takes it off again: behind this character it does neither.
    _anchor = "☺"

    def _decode(self, ids: list[int]) -> str:
        """The text of an answer, without a last character that is not complete yet."""
        anchor = self._tokenizer.encode(self._anchor, add_special_tokens=False)
        text: str = self._tokenizer.decode(anchor + ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text[text.find(self._anchor) + 1 :].rstrip("\ufffd")

    def _id(self, sentinel: Sentinel) -> int:
        for token in (sentinel.token, str(sentinel).strip()):
            if token in self._vocabulary:
                return self._vocabulary[token]
        raise BackendError(
            f"{self.name} has no token {sentinel.token}, so it is not of the family {self._family.name}; name another"
        )

    def _stop_ids(self) -> frozenset[int]:
        end = self._model.generation_config.eos_token_id
        ids = {*(end if isinstance(end, list) else [end]), self._tokenizer.eos_token_id}
        ids |= {self._vocabulary.get(space + token) for token in self._family.stop for space in ("", "▁")}
        return frozenset(token for token in ids if token is not None)


def _load(name_or_path: str, device: str, dtype: str) -> tuple[Any, Any, Any]:
    try:
        import torch
        import transformers
    except ImportError:
        raise BackendError("the hf backend needs torch and transformers: pip install 'foretype[train]'") from None
    transformers.utils.logging.disable_progress_bar()
    if not is_path(name_or_path) and os.path.exists(name_or_path):
        # transformers would take a folder of the current one, which may be a cloned repository, for the hub's
        raise BackendError(f"{name_or_path} is a file or folder here: write ./{name_or_path} if it is what you mean")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name_or_path)
        model = transformers.AutoModelForCausalLM.from_pretrained(name_or_path, dtype=dtype, use_safetensors=True)
        return torch, tokenizer, model.to(device).eval()
    except (OSError, ValueError, RuntimeError, ImportError, AttributeError) as error:
        raise BackendError(f"cannot load {name_or_path} with transformers: {_line(error)}") from error


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
