"""Fill-in-the-middle prompts: one row per model family. Knows spellings and orders, not tokenizers, engines or budgets.

For `qwen2.5-coder`, with the cursor after `return `, the prompt and the answer that the model goes on with are

    <|fim_prefix|>def add(a, b):\\n    return <|fim_suffix|>\\n\\nprint(add(1, 2))\\n<|fim_middle|>
    a + b<|endoftext|>

Without other files nothing but the text around the cursor is in the prompt, not even the file's own path: the models
learned both, and a header that is not needed costs prefill. With other files, these and the current file's path are
written as the family saw them in training.

A prompt is a tuple of `Sentinel` and `Text`. An engine with a tokenizer of its own encodes each `Sentinel` as its one
token and each `Text` as plain text, so that a file that holds the characters `<|fim_middle|>` stays a file. A server
that takes one string cannot tell them apart: `render` breaks such characters up with a space after the first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from foretype.context import languages
from foretype.model.backend import ContextFile, FimRequest


@dataclass(frozen=True)
class Sentinel:
    """One special token: `token` in the vocabulary, `written` in a prompt that is one string ("" means the same)."""

    token: str
    written: str = ""

    def __str__(self) -> str:
        return self.written or self.token


@dataclass(frozen=True)
class Text:
    """Plain text. `role` says which part an engine may shorten: other files and headers, or a side of the cursor."""

    text: str
    role: Literal["context", "prefix", "suffix"]


Part = Sentinel | Text


@dataclass(frozen=True)
class Files:
    """How a family separates files: `repo` NAME, then for each file `file` (or the text `mark`) PATH, newline, TEXT.

    The current file's path stands "before" the sentinels of the middle, or everything is "inside" the prefix, or only
    that path is ("split"). `between` leaves out the separator before the first file. `newline` says whether the name
    and each text end in a newline. `comment` turns the paths, or the texts as well, into comments of their language.
    """

    repo: Sentinel | None = None
    file: Sentinel | None = None
    mark: str = ""
    place: Literal["before", "inside", "split"] = "before"
    between: bool = False
    newline: bool = True
    comment: Literal["", "path", "all"] = ""


@dataclass(frozen=True)
class Family:
    """One row. `middle` is None where the answer follows the prefix itself.

    `stop` are the strings that end an answer, beside the tokenizer's own end of text. `special` are further strings
    that the tokenizer reads as one token. With `bare_suffix` the tokenizer puts a space before any text that it
    encodes, which was taken off the suffix in training (encode "☺" + suffix and drop the tokens of "☺").
    """

    name: str
    prefix: Sentinel
    suffix: Sentinel
    middle: Sentinel | None
    files: Files
    stop: tuple[str, ...]
    special: tuple[str, ...] = ()
    suffix_first: bool = False
    bare_suffix: bool = False

    @property
    def sentinels(self) -> tuple[Sentinel, ...]:
        found = (self.prefix, self.suffix, self.middle, self.files.repo, self.files.file)
        return tuple(sentinel for sentinel in found if sentinel)

    @property
    def reserved(self) -> frozenset[str]:
        """All strings that must not reach the tokenizer as plain text in one piece."""
        return frozenset((*(str(sentinel).strip() for sentinel in self.sentinels), *self.stop, *self.special))


# What stands for the repository's name where a family wants one: its real name is nobody's business.
REPOSITORY = "project"

_PIPED = (Sentinel("<|fim_prefix|>"), Sentinel("<|fim_suffix|>"), Sentinel("<|fim_middle|>"))
_PLAIN = (Sentinel("<fim_prefix>"), Sentinel("<fim_suffix>"), Sentinel("<fim_middle>"))
_PIPED_STOP = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>")
_PLAIN_STOP = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>")

_ROWS = (
    # README of QwenLM/Qwen2.5-Coder, sections 3 and 4; technical report (arXiv 2409.12186), figure 4
    Family(
        "qwen2.5-coder",
        *_PIPED,
        Files(repo=Sentinel("<|repo_name|>"), file=Sentinel("<|file_sep|>")),
        stop=("<|endoftext|>", *_PIPED_STOP, "<|file_sep|>", "<|repo_name|>", "<|im_end|>"),
        special=("<|im_start|>",),
    ),
    # StarCoder2 paper (arXiv 2402.19173), section 5.1: the path of the file with the hole is inside its prefix
    Family(
        "starcoder2",
        *_PLAIN,
        Files(repo=Sentinel("<repo_name>"), file=Sentinel("<file_sep>"), place="split", newline=False),
        stop=("<|endoftext|>", *_PLAIN_STOP, "<file_sep>", "<repo_name>"),
    ),
    # Code Llama paper (arXiv 2308.12950), section 2.3, and transformers' tokenizer: "<PRE> {pre} <SUF>{suf} <MID>".
    # It saw one file at a time, so that other files are only text under a comment.
    Family(
        "codellama",
        Sentinel("▁<PRE>", "<PRE> "),
        Sentinel("▁<SUF>", " <SUF>"),
        Sentinel("▁<MID>", " <MID>"),
        Files(mark="# ", place="inside"),
        stop=("<EOT>", "<PRE>", "<SUF>", "<MID>"),
        special=("<s>", "</s>"),
        bare_suffix=True,
    ),
    # README of deepseek-ai/DeepSeek-Coder, "Code Insertion" and "Repository Level Code Completion" (`#path` lines)
    Family(
        "deepseek-coder",
        Sentinel("<｜fim▁begin｜>"),
        Sentinel("<｜fim▁hole｜>"),
        Sentinel("<｜fim▁end｜>"),
        Files(mark="#", place="inside"),
        stop=("<｜end▁of▁sentence｜>", "<|EOT|>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
        special=("<｜begin▁of▁sentence｜>",),
    ),
    # CodeGemma report (arXiv 2406.11409), figure 2 and "Inference recommendations"
    Family(
        "codegemma",
        *_PIPED,
        Files(file=Sentinel("<|file_separator|>"), between=True),
        stop=("<|file_separator|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<end_of_turn>"),
        special=("<bos>", "<eos>", "<start_of_turn>"),
    ),
    # mistral-common, `encode_fim`: begin of text, [SUFFIX], suffix, [PREFIX], prefix; `+++++ path` as Continue does
    Family(
        "codestral",
        Sentinel("[PREFIX]"),
        Sentinel("[SUFFIX]"),
        None,
        Files(mark="+++++ ", place="inside"),
        stop=("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
        special=("<s>", "</s>", "[INST]", "[/INST]"),
        suffix_first=True,
        bare_suffix=True,
    ),
    # Granite Code and Granite 3: StarCoder's tokenizer; Granite-Code/granite-completebench, `granite_prompts.py`
    Family(
        "granite",
        *_PLAIN,
        Files(file=Sentinel("<filename>")),
        stop=("<|endoftext|>", "<|end_of_text|>", *_PLAIN_STOP, "<filename>", "<reponame>"),
        special=("<gh_stars>", "<|start_of_role|>", "<|end_of_role|>"),
    ),
    # Granite 4 has a tokenizer of its own, with the same names between bars
    Family(
        "granite4",
        *_PIPED,
        Files(file=Sentinel("<|filename|>")),
        stop=("<|end_of_text|>", *_PIPED_STOP, "<|filename|>", "<|reponame|>"),
        special=("<|start_of_role|>", "<|end_of_role|>"),
    ),
    # Model card of JetBrains/Mellum-4b-base, with and without "additional files as context"
    Family(
        "mellum",
        *_PLAIN,
        Files(file=Sentinel("<filename>")),
        stop=("<|endoftext|>", *_PLAIN_STOP, "<filename>", "<reponame>"),
        suffix_first=True,
    ),
)

FAMILIES: dict[str, Family] = {row.name: row for row in _ROWS}

# Model names and architectures, as hubs and GGUF files spell them. Left out because they are something else:
# CodeQwen and the first StarCoder (other sentinels), Codestral Mamba (no middle), Mellum 2 (format not published).
_NAMES = (
    (r"(?<!code)qwen-?[23]", "qwen2.5-coder"),
    (r"star-?coder-?2", "starcoder2"),
    (r"code-?llama", "codellama"),
    (r"deepseek.*coder", "deepseek-coder"),
    (r"code-?gemma", "codegemma"),
    (r"(?<!mamba-)codestral", "codestral"),
    (r"granite-?4|granite-?moe-?hybrid", "granite4"),
    (r"granite", "granite"),
    (r"mellum(?!-?2)", "mellum"),
)


# Ways to write other files for weights that have not seen, or have forgotten, their family's own ("files").
LAYOUTS: dict[str, Files | None] = {
    "files": None,
    "plain": Files(place="inside", comment="path"),
    "comment": Files(place="inside", comment="all"),
}


def written_as(family: Family, layout: str) -> Family:
    """The family with other files written in one of the `LAYOUTS`. Raises KeyError for another name."""
    style = LAYOUTS[layout]
    return replace(family, files=style) if style else family


def family_of(name: str) -> Family | None:
    """The family that a model's name, path or architecture speaks of; None when it says nothing known."""
    plain = re.sub(r"[\s_/\\:]+", "-", name.lower())
    return next((FAMILIES[family] for pattern, family in _NAMES if re.search(pattern, plain)), None)


def layout(
    family: Family,
    prefix: str,
    suffix: str,
    files: Iterable[ContextFile] = (),
    path: str = "",
) -> tuple[Part, ...]:
    """The prompt in pieces; `path` (of the current file) is written only beside other files."""
    before, inside = _headers(family, tuple(files), path)
    head: list[Part] = [family.prefix, *inside, Text(prefix, "prefix")]
    tail: list[Part] = [family.suffix, Text(suffix, "suffix")]
    middle = [family.middle] if family.middle else []
    return (*before, *(tail + head if family.suffix_first else head + tail), *middle)


def render(
    family: Family,
    prefix: str,
    suffix: str,
    files: Iterable[ContextFile] = (),
    path: str = "",
) -> str:
    """The prompt as one string, with whatever in the texts reads like a special token broken up (`<|x|>`: `< |x|>`).

    The tokenizer's begin of text is not in it: servers add it.
    """
    parts = layout(family, prefix, suffix, files, path)
    return "".join(str(part) if isinstance(part, Sentinel) else _broken_up(part.text, family) for part in parts)


def crop(prefix: str, suffix: str, prefix_chars: int, suffix_chars: int) -> tuple[str, str]:
    """At most that many characters next to the cursor, in whole lines as far as there are line ends to cut at.

    The prefix loses whole quarters of `prefix_chars`: it begins where it began a key ago, and what was computed from
    its beginning stays good.
    """
    if len(prefix) > prefix_chars:
        step = max(1, prefix_chars // 4)
        prefix = prefix[-(-(len(prefix) - prefix_chars) // step) * step :]
        prefix = prefix[prefix.find("\n") + 1 :]
    if len(suffix) > suffix_chars:
        suffix = suffix[:suffix_chars]
        suffix = suffix[: suffix.rfind("\n") + 1] or suffix
    return prefix, suffix


def answer_end(text: str, request: FimRequest, stop: Iterable[str] = ()) -> int | None:
    """The length to keep of an answer that is complete by a stop string, a newline or the request's predicate."""
    ends = [end for end in (text.find(string) for string in stop) if end >= 0]
    if request.single_line and (newline := re.search(r"[\r\n]", text)):
        ends.append(newline.start())
    if ends:
        text = text[: min(ends)]
    kept = request.stop(text) if request.stop else None
    if kept is not None:
        return min(kept, len(text))
    return len(text) if ends else None


def _headers(family: Family, files: tuple[ContextFile, ...], path: str) -> tuple[list[Part], list[Part]]:
    """What other files add before the sentinels of the middle, and inside the prefix."""
    style = family.files
    if not files:
        return [], []
    end = "\n" if style.newline else ""
    own_path = path or "untitled"
    parts: list[Part] = [style.repo, Text(REPOSITORY + end, "context")] if style.repo else []
    for index, file in enumerate(files):
        if style.file and not (style.between and index == 0):
            parts.append(style.file)
        body = file.text if not end or file.text.endswith(end) else file.text + end
        if style.comment == "all":
            body = "".join(_marker(file.path) + line for line in body.splitlines(keepends=True))
        parts.append(Text(f"{_mark(style, file.path)}{file.path}\n{body}", "context"))
    if style.file:
        parts.append(style.file)
    own = Text(f"{_mark(style, own_path)}{own_path}\n", "context")
    if style.place == "before":
        return [*parts, own], []
    return ([], [*parts, own]) if style.place == "inside" else (parts, [own])


def _mark(style: Files, path: str) -> str:
    return _marker(path) if style.comment else style.mark


def _marker(path: str) -> str:
    language = languages.find("", path)
    return f"{language.line_comment if language and language.line_comment else '#'} "


def _broken_up(text: str, family: Family) -> str:
    for token in sorted(family.reserved):
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
