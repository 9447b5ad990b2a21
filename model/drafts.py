"""Drafts: guessing the next tokens from text that is already there, for the engine to verify several at once.

"Prompt lookup decoding" (A. Saxena, 2023): where the last tokens stand somewhere in the prompt, an open buffer or the
lines that an edit replaces, what followed them there is likely to follow here. Reading a few more tokens in one run
costs an engine far less than a run for each, since the weights are fetched once. Knows tokens and how often its
guesses were right; knows neither engines nor text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

# Of one step's time, what each further token in the same run costs: (token_ms_k8 / token_ms_k1 - 1) / 7 of `foretype
# model bench` was 0.12 to 0.15 for 0.5B weights in 4 bits.
STEP_SHARE = 0.14
MOST = 16  # tokens: beyond, even drafts that are nearly always right gain nothing
_LONGEST = 8  # tokens of a match that are told apart; a longer one is no surer
_CANDIDATES = 128  # the latest places of a token that are compared
_BEFORE, _BEHIND = 32, 96  # tokens around the place where the text was left that count as near it
_MEMORY = 1 / 48  # weight of a new outcome in a chance
_SEPARATOR = -1

# How often the next token was right, by the length of the match from 0: anywhere, and near the place where the text was
# left. Measured over 37,311 tokens of 160 edits (`eval.drafts.edits`, seed 11) of httpx, gson, gin and zod, rounded.
_ANYWHERE = (0.0, 0.35, 0.45, 0.60, 0.65, 0.70, 0.74, 0.76, 0.91)
_NEAR = (0.20, 0.48, 0.69, 0.74, 0.78, 0.83, 0.84, 0.86, 0.97)


class Acceptance:
    """How often guesses were right, and how many are therefore worth verifying. Outlives the requests it learns from.

    Every guess is judged by the token that came, also one that was not verified, so that drafts which failed for a
    while come back by themselves. `step_share` is the cost of one more token in a run, in runs of one token.
    """

    def __init__(self, step_share: float = STEP_SHARE) -> None:
        self._share = step_share
        self._chances = {False: list(_ANYWHERE), True: list(_NEAR)}

    def chance(self, near: bool, match: int) -> float:
        """The chance that the token after a match of so many tokens is the right one."""
        return self._chances[near][min(match, _LONGEST)]

    def worth(self, near: bool, match: int, most: int) -> int:
        """How many tokens to draft after a match: the k with the most tokens per time, perhaps 0.

        A run of the last token and k drafted ones takes 1 + k * step_share and yields one token and as many more as
        were right in a row. Each right one makes the match longer by one, so the chances grow along a draft.
        """
        best, best_rate, alike, expected = 0, 1.0, 1.0, 1.0
        for count in range(1, min(most, MOST) + 1):
            alike *= self.chance(near, match + count - 1)
            expected += alike
            if (rate := expected / (1 + count * self._share)) > best_rate:
                best, best_rate = count, rate
        return best

    def learn(self, near: bool, match: int, right: bool) -> None:
        chances, match = self._chances[near], min(match, _LONGEST)
        chances[match] += (right - chances[match]) * _MEMORY


class Drafts:
    """Guesses for one answer.

    `corpora` are token lists to look into, the likeliest last; `history` are the tokens before the answer in the order
    of the document, which are looked into as well. `original` are the lines that the answer replaces, if it is an edit:
    it is expected to follow them from their beginning. No draft goes up to or past a token for which `ends` is true.
    """

    def __init__(
        self,
        corpora: Iterable[Sequence[int]],
        history: Sequence[int],
        acceptance: Acceptance,
        original: Sequence[int] = (),
        ends: Callable[[int], bool] | None = None,
    ) -> None:
        self._acceptance, self._ends = acceptance, ends
        self._text: list[int] = []
        # token: where it was followed by another, as that one's index
        self._places: defaultdict[int, list[int]] = defaultdict(list)
        for tokens in corpora:
            self._extend([*tokens, _SEPARATOR])
        # where the text was left: after the last token that was guessed right; and how many have come since
        self._left: int | None = len(self._text) if original else None
        self._since = 0
        self._extend([*original, _SEPARATOR] if original else [])
        self._begin = len(self._text)
        self._extend(history)
        # the guess: where it stands, the length of the match before it, whether that was near
        self._guess, self._match, self._near = self._left, 0, bool(original)
        self._settled = bool(original)  # no other place can be better

    def propose(self, most: int) -> list[int]:
        """At most so many tokens that are likely to come next, as many as are worth verifying."""
        if not self._settled:
            self._search()
        start = self._guess
        if start is None:
            return []
        found = self._text[start : start + self._acceptance.worth(self._near, self._match, most)]
        for index, token in enumerate(found):
            if token == _SEPARATOR or (self._ends and self._ends(token)):
                return found[:index]
        return found

    def follow(self, token: int) -> None:
        """Tells which token came."""
        guess, right = self._guess, False
        if guess is not None and (guessed := self._text[guess]) != _SEPARATOR:
            right = guessed == token
            self._acceptance.learn(self._near, self._match, right)
        self._extend([token])
        if guess is not None and right:
            self._guess = self._left = guess + 1
            self._since, self._match = 0, self._match + 1
            self._settled = self._match >= _LONGEST
        else:
            self._guess, self._settled = None, False
            self._since += 1

    def _search(self) -> None:
        """Finds the place whose next token has the best chance: of equal ones the nearest, otherwise the latest."""
        text, end = self._text, len(self._text)
        best: tuple[float, int] = (0.0, 0)
        self._guess = None
        # as many tokens replaced as have come since
        if self._left is not None and self._left + self._since < self._begin:
            best = (self._acceptance.chance(True, 0), -self._since)
            self._guess, self._match, self._near = self._left + self._since, 0, True
        places = self._places.get(text[-1], ()) if end > self._begin else ()
        for place in reversed(places[-_CANDIDATES:]):
            if place >= end or text[place] == _SEPARATOR:
                continue
            match = 1
            while match < _LONGEST and match < place and text[place - match - 1] == text[end - match - 1] != _SEPARATOR:
                match += 1
            distance = place - self._left if self._left is not None else _BEHIND + 1
            near = -_BEFORE <= distance <= _BEHIND
            rank = (self._acceptance.chance(near, match), -abs(distance) if near else place - end)
            if rank > best:
                best, self._guess, self._match, self._near = rank, place, match, near

    def _extend(self, tokens: Sequence[int]) -> None:
        for place, token in enumerate(tokens, len(self._text) + 1):
            self._places[token].append(place)
        self._text.extend(tokens)
