"""What `make demo` shows: the real server with the real model, asked for ghost text as an editor asks for it.

Opens files of this repository as if something in them had not been typed yet, asks what belongs there, and compares
the answer with what really stood there. Places are found by the text before them, so that they survive edits.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from foretype.context import ghost, languages
from foretype.context.text import split_lines
from foretype.eval.typing.editor import Answer, Document
from foretype.lsp.wire import Client, ResponseError, ServerEnded

REPOSITORY = Path(__file__).resolve().parent.parent
SERVE = (sys.executable, "-m", "foretype", "serve")

# Seconds. A model that is not there yet is pulled and built first.
_READY_S = 3600.0
_ANSWER_S = 120.0


class DemoError(Exception):
    """The demo cannot go on. The message is one line."""


@dataclass(frozen=True)
class Scene:
    """A place in a file, and what is done there.

    The cursor stands behind `anchor`, which occurs once. What follows up to `until` is taken out of the document, and
    is what the answer is compared with. The pieces of `typed`, which begin it, are typed one after the other, with a
    request after each.
    """

    title: str
    file: str
    anchor: str
    until: str = "\n"
    typed: tuple[str, ...] = ("",)


SCENES = (
    Scene("The rest of a signature", "lsp/trim.py", "def invisible(text: str, place"),
    Scene("The rest of a line", "context/text.py", "        return min(units,"),
    Scene(
        "Typing on: most of the prompt was read before",
        "context/text.py",
        "        width = _width(char, encoding)\n",
        typed=("        if se", "en +", " width"),
    ),
    Scene(
        "The body of a method, from its name and its docstring",
        "lsp/events.py",
        'before was accepted, and the rest is only let go."""\n        ',
        until="\n\n    def counts",
    ),
    Scene("One more entry of a table", "lsp/events.py", '            "shown": '),
    Scene("The body of a method, from its name", "model/backend.py", "    def is_set(self) -> bool:\n        "),
    Scene("The body of an if", "model/backend.py", "        if self._event.is_set():\n            "),
    Scene("Half a condition, in Lua", "editors/nvim/lua/foretype/place.lua", "  if row < place.row or (row"),
)


@dataclass
class Tally:
    """What the summary is made of: the first answer at each place, those after typing on there, how many of both are
    exactly what stood there, and how many were accepted."""

    first: list[Answer] = field(default_factory=list)
    later: list[Answer] = field(default_factory=list)
    same: int = 0
    accepted: int = 0


def main() -> int:
    """Plays all scenes; 0 done, 1 something failed, which one line on standard error says."""
    try:
        play(SCENES, sys.stdout)
    except (DemoError, ResponseError, ServerEnded, TimeoutError, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        # what a server says last is in its last line
        sys.stderr.write(f"foretype demo: {' ... '.join(dict.fromkeys((lines[0], lines[-1])))}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def play(scenes: tuple[Scene, ...], out: TextIO) -> None:
    """Raises `DemoError`, and what `Client` raises."""
    colours = ghost.has_colours(out)

    def say(line: str = "") -> None:
        ghost.write(f"{line}\n", out)

    waiting = Waiting(out)
    tally = Tally()
    say("Foretype's server reads files of this repository as an editor would send them, with something in them not")
    say("typed yet, and is asked what belongs there.")
    with Client.start(SERVE, cwd=REPOSITORY, on_notification=waiting.notified) as client:
        client.initialize(REPOSITORY, {"telemetry": {"enabled": False}, "edits": {"enabled": False}})
        seconds = waiting.until_ready(client)
        legend = ghost.dim("what it suggests looks like this") if colours else "⟨what it suggests looks like this⟩"
        say(f"{_status(client)['model']}, ready after {seconds:.1f} s; {legend}")
        for number, scene in enumerate(scenes, 1):
            say()
            say(ghost.bold(f"{number}. {scene.title}") if colours else f"{number}. {scene.title}")
            for line in perform(scene, client, tally, colours):
                say(f"   {line}".rstrip())
    if not tally.accepted:
        raise DemoError("the server had no suggestion at any of the places")
    say()
    say(summary(tally))


def perform(scene: Scene, client: Client, tally: Tally, colours: bool) -> Iterator[str]:
    """Plays one scene; yields what there is to see. The first suggestion of all is accepted."""
    before, taken, after = cut(scene)
    language = languages.find("", scene.file)
    language_id = language.ids[0] if language else "plaintext"
    document = Document(client, REPOSITORY / scene.file, language_id, before, after)
    yield f"{scene.file}:{document.row + 1}"
    for step, piece in enumerate(scene.typed):
        document.type(piece)
        taken = taken.removeprefix(piece)
        answer = document.ask(_ANSWER_S)
        _check(client)
        (tally.later if step else tally.first).append(answer)
        tally.same += answer.text.rstrip() == taken.rstrip()
        head, tail = document.line
        shown = ghost.drawn(head, answer.text, tail, colours) if answer.item else [ghost.plain(head + tail)]
        yield from ghost.numbered(split_lines(document.text), document.row, shown, above=0 if step else 1, below=0)
        yield _fact("took", _took(answer))
    yield _fact("context", _context(answer))
    yield _fact("the file", compared(answer, taken))
    if "\n" in taken and answer.text.rstrip() != taken:
        yield from (f"{'│':>7} {ghost.plain(line)}".rstrip() for line in (head + taken).splitlines())
    if answer.item and not tally.accepted:
        document.accept(answer.item)
        tally.accepted = _status(client)["counts"]["accepted"]
        if tally.accepted != 1:
            raise DemoError(f"one suggestion was accepted, and the server counted {tally.accepted}")
        yield _fact("accepted", ghost.plain("".join(document.line)).strip())
    document.close()


def cut(scene: Scene) -> tuple[str, str, str]:
    """The file's text before the cursor, what is taken out, and what follows. Raises `DemoError`."""
    text = (REPOSITORY / scene.file).read_bytes().decode("utf-8").replace("\r\n", "\n")
    before, anchor, rest = text.partition(scene.anchor)
    taken, until, after = rest.partition(scene.until)
    if not anchor or not until or scene.anchor in rest or not taken.startswith("".join(scene.typed)):
        raise DemoError(f"{scene.file} has changed: its scene ({scene.title}) has to be chosen anew")
    return before + anchor, taken, until + after


def compared(answer: Answer, taken: str) -> str:
    """What the file has, against the answer; the text itself where that is one line."""
    ours, theirs = answer.text.rstrip(), taken.rstrip()
    had = "" if "\n" in theirs else f" {ghost.plain(theirs).strip()}"
    if ours == theirs:
        return "has exactly this"
    if not ours:
        return f"has:{had}"
    if theirs.startswith(ours):
        return f"begins like this:{had}"
    return f"has this in it:{had}" if theirs.strip() in ours else f"has something else:{had}"


def summary(tally: Tally) -> str:
    answers = tally.first + tally.later
    suggested = sum(answer.item is not None for answer in answers)
    typing = f", {_median_ms(tally.later)} when typing on there" if tally.later else ""
    return (
        f"{suggested} suggestions for {len(answers)} requests, {tally.same} of them exactly what the file has; "
        f"in the median {_median_ms(tally.first)} at a new place{typing}; {tally.accepted} accepted."
    )


class Waiting:
    """One line, written again and again on a terminal, that says how far the model is."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._stage = ""

    def notified(self, method: str, params: Any) -> None:
        """Called by the client for each of the server's notifications."""
        value = params.get("value", {}) if method == "$/progress" else {}
        if value.get("kind") in ("begin", "report"):
            done = value.get("percentage")
            self._show(f"{value.get('message') or ''}{f' {done} %' if done else ''}")

    def until_ready(self, client: Client) -> float:
        """Waits for the model; returns the seconds that took. Raises `DemoError` if it cannot be had."""
        started = time.monotonic()
        try:
            status = client.wait_for_notification(
                "foretype/didChangeStatus", lambda status: status["state"] != "loading", _READY_S
            )
        finally:
            self._show("")
        if status["state"] != "ready":
            raise DemoError(status["message"])
        return time.monotonic() - started

    def _show(self, line: str) -> None:
        stage = line.rstrip(" %0123456789")
        if self._out.isatty():
            ghost.write(f"\r\x1b[K{line}", self._out)
        elif stage and stage != self._stage:
            ghost.write(f"{stage}\n", self._out)
        self._stage = stage


def _fact(what: str, text: str) -> str:
    return f"{what:>12}  {text}"


def _took(answer: Answer) -> str:
    """Time and tokens; and why there is nothing, where there is nothing."""
    last = answer.last
    parts = [f"{answer.ms:.0f} ms"]
    if last.get("prompt_tokens"):
        cached = last["cached_tokens"]
        parts.append(f"tokens: {last['prompt_tokens'] - cached} read, {cached} reused, {last['tokens']} written")
    if not answer.item:
        parts.append(f"no suggestion: {last.get('why', 'no reason given')}")
    return "; ".join(parts)


def _context(answer: Answer) -> str:
    """Where the prompt came from."""
    last = answer.last
    if not last.get("prefix_tokens"):
        return "this file"
    return f"this file, {last['prefix_tokens']} tokens before the cursor and {last['suffix_tokens']} after it"


def _median_ms(answers: list[Answer]) -> str:
    return f"{statistics.median(answer.ms for answer in answers):.0f} ms"


def _status(client: Client) -> dict[str, Any]:
    return client.request("foretype/status")


def _check(client: Client) -> None:
    status = _status(client)
    if status["state"] != "ready":
        raise DemoError(status["message"] or f"the model is {status['state']}")


if __name__ == "__main__":
    sys.exit(main())
