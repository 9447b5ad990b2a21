"""How likely a suggestion is to be taken: a logistic model of what can be seen of it, and its weights.

Looks at the model's own probabilities, at the place of the cursor and at the text: `FEATURES`. The weights are in
`gate.toml` beside this file, fitted by `foretype eval replay --fit-gate`, or in the user's data folder, fitted by
`foretype gate fit` to what became of suggestions there; nothing in a workspace can name others. The user's are for one
model. Those that ship are for any: another model's probabilities are read as if they were those of the one they are
of. Knows nothing of what was suggested before.
"""

from __future__ import annotations

import logging
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from foretype.context import syntax
from foretype.lsp.log import installation
from foretype.lsp.trim import Place
from foretype.model.backend import FimResult

log = logging.getLogger(__name__)

FEATURES = (
    "logprob_sum",
    "logprob_mean",
    "logprob_min",
    "logprob_first",
    "length",
    "short",
    "letters",
    "unresolved",
    "blank_line",
    "in_word",
)

WEIGHTS = Path(__file__).with_name("gate.toml")

# Natural logarithms: what is less likely is as good as impossible, and how much less tells nothing.
_LOWEST, _LOWEST_SUM = -6.0, -12.0
# Who accepts has pressed a key for it; a suggestion of fewer characters saves next to nothing.
_SHORT = 3
_MOST_OF_WORD = 8
_NAME = re.compile(r"[^\W\d]\w*")
_WORD_AT_END = re.compile(r"(?<!\w)\w*\Z")


@dataclass(frozen=True)
class Weights:
    """`bias`, and a weight for each of `FEATURES`, for features as they are (not standardised). `model` is whose
    probabilities they were fitted to, "" where that is not said."""

    bias: float
    by_feature: Mapping[str, float]
    model: str = ""


def features(place: Place, text: str, result: FimResult, others: Sequence[str] = ()) -> tuple[float, ...] | None:
    """What the gate looks at, in the order of `FEATURES`; None where the backend tells no probabilities, since the rest
    alone says too little. `text` is what would be shown; `others` are the other files' parts that the prompt held.

    - `logprob_sum`, no lower than -12, `logprob_mean`, `logprob_min`, `logprob_first`: natural logarithms of the
      probabilities of the tokens of `text`, each no lower than -6;
    - `length`: natural logarithm of 1 + characters; `short`: fewer than 3; `letters`: the part of the characters that
      are letters, digits or white space;
    - `unresolved`: the part of its names, the one that is half typed included, that are nowhere in the text around the
      cursor and in `others`;
    - `blank_line`: the cursor's line has nothing else; `in_word`: characters typed of the word at the cursor, at most
      8.

    On the rows of the fit these did not make it better: comments and strings (the probabilities know), the first
    token's margin, indentation, brackets left open, the rest of the line, the token limit, the number of lines.
    """
    logprobs = [max(_LOWEST, logprob) for logprob in _logprobs(text, result)]
    if not logprobs:
        return None
    before, after = syntax.around(place.prefix, place.suffix)
    head = before.rpartition("\n")[2]
    typed = _WORD_AT_END.findall(head)[0]
    return (
        max(_LOWEST_SUM, sum(logprobs)),
        sum(logprobs) / len(logprobs),
        min(logprobs),
        logprobs[0],
        math.log1p(len(text)),
        float(len(text) < _SHORT),
        sum(char.isalnum() or char.isspace() for char in text) / max(1, len(text)),
        _unresolved(typed, text, (before, after, *others)),
        float(not head.strip() and not after.partition("\n")[0].strip()),
        float(min(_MOST_OF_WORD, len(typed))),
    )


def probability(values: Sequence[float], weights: Weights) -> float:
    """How likely a suggestion with these features is to be taken, 0..1."""
    named = zip(FEATURES, values, strict=True)
    score = weights.bias + sum(weights.by_feature.get(name, 0.0) * value for name, value in named)
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


def in_force(model: str) -> Weights:
    """The user's weights where there are some for this model, else those that ship. Takes microseconds, unless the
    user's have changed; a file that cannot be used is told to the log, once, and left alone."""
    try:
        stamp = own_file().stat()
    except OSError:
        return shipped()
    own = _own(own_file(), stamp.st_mtime_ns, stamp.st_size)
    return own if own and own.model == model else shipped()


def own_file() -> Path:
    """Where the user's weights are, if there are any."""
    return installation.folder() / WEIGHTS.name


@cache
def shipped() -> Weights:
    """The weights that come with this program."""
    return read(WEIGHTS.read_text("utf-8"))


def read(text: str) -> Weights:
    """Weights from TOML: `bias`, a table `weights`, and `model`. Raises ValueError for anything else."""
    table = tomllib.loads(text)
    weights = table.get("weights", {})
    try:
        if unknown := sorted(set(weights) - set(FEATURES)):
            raise ValueError(f"no such features: {', '.join(unknown)}")
        found = Weights(
            float(table["bias"]), {name: float(value) for name, value in weights.items()}, str(table.get("model", ""))
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("expected a bias and a table of weights, all numbers") from error
    if not all(map(math.isfinite, (found.bias, *found.by_feature.values()))):
        raise ValueError("expected a bias and a table of weights, all numbers")
    return found


@lru_cache(maxsize=1)
def _own(path: Path, changed_ns: int, size: int) -> Weights | None:
    """The user's weights as they were written last."""
    try:
        return read(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        log.warning("%s is left out, delete it or run `foretype gate fit` again: %s", path, error)
        return None


def _logprobs(text: str, result: FimResult) -> Sequence[float]:
    """Those of the tokens that are in the text; of all tokens where it is not known which are."""
    if len(result.ends) != len(result.logprobs) or not result.text.startswith(text):
        return result.logprobs
    begun = sum(end < len(text) for end in result.ends)
    return result.logprobs[: begun + 1]


def _unresolved(typed: str, text: str, visible: Sequence[str]) -> float:
    """The part of the names in `text` that are not `visible`; `typed` is the word that the text goes on with."""
    names = {name for name in _NAME.findall(typed + text) if name != typed}
    if not names:
        return 0.0
    known = {name for one in visible for name in _NAME.findall(one)}
    return len(names - known) / len(names)
