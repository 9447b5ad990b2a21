"""When a run of the model goes on while the user types, and when it ends."""

from __future__ import annotations

import asyncio

import pytest

from foretype.context.text import Snapshot, split_lines
from foretype.lsp.documents import Edit
from foretype.lsp.job import Job
from foretype.lsp.outcome import Ask, Nothing

TEXT = "a = 1\nfoo\n"


def job() -> Job:
    snapshot = Snapshot("file:///a.py", "a.py", "python", 1, tuple(split_lines(TEXT)))
    return Job(Ask(snapshot, 1, 3), 0.0, lambda function, *args: function(*args))


def run(check) -> None:
    async def within() -> None:
        check(job())

    asyncio.run(within())


def typed(column: int, text: str, removed: str = "", line: int = 1) -> tuple[Edit, ...]:
    return (Edit(line, column, removed, text),)


@pytest.mark.parametrize(
    ("said", "edits", "here"),
    [
        ("", [typed(3, "(")], (1, 4)),
        ("(bar", [typed(3, "("), typed(4, "b")], (1, 5)),
        ("(bar", [typed(3, "("), typed(3, "", "(")], (1, 3)),
        ("(", [typed(3, "(bar")], (1, 7)),
        ("\n  x", [typed(3, "\n  ")], (2, 2)),
        ("\r\n  x", [typed(3, "\r\n")], (2, 0)),
    ],
)
def test_it_goes_on(said, edits, here) -> None:
    def check(job: Job) -> None:
        job.listen(said)
        assert all(job.follow(edit) for edit in edits)
        assert job.serves(*here)
        assert not job.serves(here[0], here[1] + 1)

    run(check)


@pytest.mark.parametrize(
    ("said", "edits"),
    [
        ("(bar", typed(3, "[")),
        ("(bar", typed(2, "(")),
        ("(bar", typed(3, "(", line=0)),
        ("(bar", typed(2, "", "o")),
        ("(bar", typed(2, "", "x")),
        ("(bar", (*typed(3, "("), *typed(4, "b"))),
        ("", (Edit(0, 0, TEXT, TEXT + "x"),)),
    ],
    ids=["other text", "before", "other line", "taken back", "never typed", "several", "all anew"],
)
def test_it_ends(said, edits) -> None:
    def check(job: Job) -> None:
        job.listen(said)
        assert not job.follow(edits)
        assert job.cancel.is_set()
        assert job.outcome.result() == Nothing("superseded")

    run(check)


def test_it_ends_when_the_model_says_something_else() -> None:
    def check(job: Job) -> None:
        assert job.follow(typed(3, "(x"))
        job.listen("(")
        assert not job.cancel.is_set()
        job.listen("(b")
        assert job.cancel.is_set()

    run(check)
