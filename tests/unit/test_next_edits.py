"""The lanes together, over a model that says what it is told to: order, restraint, and why something is withheld."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_minimal import applied
from workspaces import Make, workspaces

from foretype.context.next_edit import Diagnostic, EditedFile, NextEdit, text_digest
from foretype.context.workspace import Workspace
from foretype.model.backend import BackendError, Cancel, Cancelled, EditQuestion, EditResult, FimRequest, FimResult
from foretype.model.next_edits import Found, Options, next_edits

BEFORE = "SIZE = 1\n\n\ndef log(message):\n    print(message)\n\n\ndef other():\n    return SIZE\n"
AFTER = BEFORE.replace("SIZE = 1\n", "SIZE = 1\nLEVEL = 2\n")
# One whose places are too far apart to be shown together.
WIDE_BEFORE, WIDE = (text + 40 * "\n" + "def far():\n    return SIZE\n" for text in (BEFORE, AFTER))
ALONE = Options(lanes=("model",))


def line(number: int, *become: str) -> str:
    """The answer that says what a line, counted from 1, becomes."""
    return "\n".join((str(number), *become))


class Model:
    """Answers what `says` has for a line that is shown, and otherwise that nothing is to be done."""

    name = "scripted"

    def __init__(self, says: dict[str, str] | None = None, gap: float = 1.0, logprob: float = -0.1) -> None:
        self.says, self.gap, self.logprob = says or {}, gap, logprob
        self.questions: list[EditQuestion] = []

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        self.questions.append(question)
        cancel.check()
        request = question.request
        window = request.window.start, request.window.stop
        shown = {line.strip() for line in request.window.lines}
        text = next((text for line, text in self.says.items() if line in shown), None)
        if text is None or self.gap < question.least_gap:
            return EditResult(window=window, gap=-8.9)
        logprobs = (self.logprob,) * 3
        return EditResult(text, "stop", 3, window, logprobs, self.gap)

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        raise AssertionError

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workspaces(tmp_path) as make:
        yield make


def search(workspace: Workspace, model: Any = None, options: Options = ALONE, **more: Any) -> Found:
    edited = more.pop("edited", (EditedFile("a.py", "python", BEFORE, AFTER),))
    return next_edits(workspace, edited, backend=model, options=options, cancel=more.pop("cancel", Cancel()), **more)


def reasons(found: Found) -> set[str]:
    return {one.reason for one in found.withheld}


# The model lane


def test_an_answer_becomes_the_smallest_edit(make: Make) -> None:
    model = Model({"return SIZE": line(10, "    return SIZE + LEVEL")})
    found = search(make(a=AFTER), model)
    (edit,) = found.edits
    assert (edit.path, edit.text, edit.lane, edit.reason) == ("a.py", " + LEVEL", "model", "model")
    assert edit.digest == text_digest(AFTER)
    assert applied(AFTER, edit) == AFTER.replace("return SIZE", "return SIZE + LEVEL")
    assert 0 < edit.confidence < 1 and found.places >= 1
    assert {"rules", "places", "model"} >= set(found.stages_ms) >= {"places", "model"}


def test_an_answer_may_be_about_any_line_of_the_window(make: Make) -> None:
    model = Model({"return SIZE": line(10, "    return SIZE + LEVEL")})
    (edit,) = search(make(a=AFTER), model).edits
    (question,) = model.questions
    assert question.request.focus[1] < 9
    assert applied(AFTER, edit) == AFTER.replace("return SIZE", "return SIZE + LEVEL")


def test_the_history_is_told_as_it_happened_or_else_as_the_texts_say(make: Make) -> None:
    model = Model()
    search(make(a=AFTER), model)
    assert model.questions
    (diff,) = model.questions[0].request.history
    assert diff.path == "a.py" and diff.diff.startswith("@@ -1,4 +1,5 @@\n SIZE = 1\n+LEVEL = 2\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line(10, "    return SIZE"), "unchanged"),
        (line(10, "    return  SIZE"), "white_space"),
        (line(10, "    return OTHER"), "unrelated"),
        (line(10, "    return LEVEL"), "replaces"),
        (line(10, "    return (SIZE + LEVEL"), "parse_error"),
        (line(11, "    return LEVEL"), "outside"),
        ("    return LEVEL", "unreadable"),
        ("0", "none"),
    ],
)
def test_what_is_withheld_says_why(make: Make, text: str, reason: str) -> None:
    found = search(make(a=AFTER), Model({"return SIZE": text}, logprob=-0.5))
    assert not found.edits
    assert reason in reasons(found)


def test_what_shares_no_word_with_the_edits_is_proposed_where_the_model_is_sure(make: Make) -> None:
    says = {"return SIZE": line(10, "    return SIZE + OTHER")}
    assert search(make(a=AFTER), Model(says, gap=4.0)).edits
    assert "unrelated" in reasons(search(make(a=AFTER), Model(says, gap=4.0, logprob=-1.0)))
    # documentation that was reworded asks for the same words to go
    reworded = AFTER.replace("print(message)", '"""Loud."""')
    edited = (EditedFile("a.py", "python", reworded.replace("Loud", "Quiet"), reworded),)
    assert not search(make(a=reworded), Model(says, gap=4.0), edited=edited).edits


def test_a_model_that_would_rather_do_nothing_is_left_alone(make: Make) -> None:
    found = search(make(a=AFTER), Model({"return SIZE": line(10, "    return LEVEL")}, gap=-99.0))
    assert not found.edits and reasons(found) == {"quiet"}


def test_what_is_too_unsure_is_not_proposed(make: Make) -> None:
    model = Model({"return SIZE": line(10, "    return SIZE + LEVEL")}, logprob=-2.0)
    assert search(make(a=AFTER), model, Options(lanes=("model",), threshold=0.05)).edits
    assert "unsure" in reasons(search(make(a=AFTER), model, Options(lanes=("model",), threshold=0.5)))


def test_the_model_may_be_kept_to_places_where_something_is_due(make: Make) -> None:
    model, workspace = Model({"return SIZE": line(10, "    return SIZE + LEVEL")}), make(a=AFTER)
    options = Options(lanes=("model",), due_only=True)
    assert search(workspace, model).edits
    model.questions.clear()
    assert not search(workspace, model, options).edits and not model.questions
    assert not search(workspace, None, Options(lanes=("rule",))).due
    said = (Diagnostic("a.py", 9, 10, "`LEVEL` is not used"),)
    assert search(workspace, model, options, diagnostics=said).edits
    assert search(workspace, None, Options(lanes=("rule",)), diagnostics=said).due == 1


def test_where_something_is_known_to_be_due_less_is_enough(make: Make) -> None:
    model = Model({"return SIZE": line(10, "    return LEVEL")}, gap=-5.0)
    workspace = make(a=AFTER)
    assert not search(workspace, model).edits
    said = (Diagnostic("a.py", 9, 10, "`SIZE` is wrong here, `LEVEL` is not"),)
    assert search(workspace, model, diagnostics=said).edits


def test_no_more_places_than_asked_for(make: Make) -> None:
    model, workspace = Model(), make(a=WIDE)
    edited = (EditedFile("a.py", "python", WIDE_BEFORE, WIDE),)
    for most in (2, 1):
        search(workspace, model, Options(lanes=("model",), max_places=most), edited=edited)
        assert len(model.questions) == most
        model.questions.clear()
    search(workspace, model, Options(lanes=("model",), deadline_ms=0.0), edited=edited)
    assert not model.questions


def test_lines_that_were_shown_are_not_asked_about_again(make: Make) -> None:
    model = Model()
    found = search(make(a=AFTER), model)
    assert found.places > 1 and len(model.questions) == 1


def test_comments_alone_call_for_nothing(make: Make) -> None:
    after = BEFORE.replace("SIZE = 1\n", "SIZE = 1  # of log\n")
    model = Model()
    search(make(a=after), model, edited=(EditedFile("a.py", "python", BEFORE, after),))
    assert not model.questions


# Both lanes

SIBLINGS = "def row(cells):\n    a = cells['A']\n    b = cells['B']\n    return a, b\n"
STRIPPED = SIBLINGS.replace("cells['A']", "cells['A'].strip()")


def test_the_same_change_elsewhere_needs_no_model(make: Make) -> None:
    heard: list[NextEdit] = []
    edited = (EditedFile("a.py", "python", SIBLINGS, STRIPPED),)
    found = search(make(a=STRIPPED), None, Options(), edited=edited, on_edit=heard.append)
    assert [(edit.lane, edit.reason, edit.text) for edit in found.edits] == [("rule", "similar", ".strip()")]
    assert tuple(heard) == found.edits


def test_lanes_can_be_chosen(make: Make) -> None:
    edited = (EditedFile("a.py", "python", SIBLINGS, STRIPPED),)
    assert not search(make(a=STRIPPED), None, Options(lanes=("model",)), edited=edited).edits
    model = Model()
    search(make(a=STRIPPED), model, Options(lanes=("rule",)), edited=edited)
    assert not model.questions


def test_lines_that_the_rules_change_are_not_asked_about(make: Make) -> None:
    model = Model({"b = cells['B']": line(3, "    b = cells['B'].strip()")})
    edited = (EditedFile("a.py", "python", SIBLINGS, STRIPPED),)
    found = search(make(a=STRIPPED), model, Options(), edited=edited)
    assert [edit.lane for edit in found.edits] == ["rule"]
    assert all("'B'" not in question.request.focused[0] for question in model.questions)


def test_a_renaming_is_carried_before_the_model_is_asked(make: Make) -> None:
    before = "def log(text):\n    print(text)\n\n\nlog('a')\n"
    after = before.replace("def log", "def record")
    model = Model({"log('a')": line(5, "record('b')")})
    found = search(make(a=after), model, Options(), edited=(EditedFile("a.py", "python", before, after),))
    assert [(edit.lane, edit.reason) for edit in found.edits] == [("rule", "rename")]


def test_what_the_rules_have_settled_is_not_settled_again_beside_the_place(make: Make) -> None:
    before = "SIZE = 1\n\n\ndef size():\n    return SIZE\n\n\nclass Other:\n    SIZE = 2\n    wide = SIZE > 1\n"
    after = before.replace("SIZE = 1", "LIMIT = 1")
    edited = (EditedFile("a.py", "python", before, after),)
    said = (Diagnostic("a.py", 5, 6, "expected an indented block"),)
    model = Model({"": line(9, "    LIMIT = 2")})
    lines = make(a=after)
    found = search(lines, model, Options(), edited=edited, diagnostics=said)
    assert model.questions and "settled" in reasons(found)
    assert {edit.lane for edit in found.edits} == {"rule"}


def test_a_rejected_edit_is_not_proposed_again(make: Make) -> None:
    edited = (EditedFile("a.py", "python", SIBLINGS, STRIPPED),)
    found = search(make(a=STRIPPED), None, Options(), edited=edited, rejected=lambda edit: edit.text == ".strip()")
    assert not found.edits
    assert reasons(found) == {"rejected"}


# Trouble


def test_a_backend_that_cannot_leaves_what_the_rules_found(make: Make) -> None:
    class Unable(Model):
        def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
            raise BackendError("cannot")

    edited = (EditedFile("a.py", "python", SIBLINGS, STRIPPED),)
    found = search(make(a=STRIPPED), Unable(), Options(), edited=edited)
    assert found.problem == "cannot" and len(found.edits) == 1


def test_cancelled_at_the_next_place(make: Make) -> None:
    cancel = Cancel()

    class Slow(Model):
        def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
            cancel.set()
            return super().edit(question, Cancel())

    model = Slow()
    with pytest.raises(Cancelled):
        search(make(a=WIDE), model, cancel=cancel, edited=(EditedFile("a.py", "python", WIDE_BEFORE, WIDE),))
    assert len(model.questions) == 1


def test_a_file_that_is_gone_and_one_that_was_not_there(make: Make) -> None:
    workspace = make(a=AFTER, gone="from a import SIZE\nprint(SIZE)\n")
    (workspace.root / "gone.py").unlink()
    files = (EditedFile("a.py", "python", BEFORE, AFTER), EditedFile("new.py", "python", "", "SIZE = 3\n"))
    found = search(workspace, Model({"return SIZE": line(10, "    return LEVEL")}), Options(), edited=files)
    assert {edit.path for edit in found.edits} <= {"a.py"}


def test_windows_line_endings_stay(make: Make) -> None:
    before, after = BEFORE.replace("\n", "\r\n"), AFTER.replace("\n", "\r\n")
    workspace = make()
    (workspace.root / "a.py").write_bytes(after.encode())
    workspace.refresh(children=0)
    model = Model({"return SIZE": line(10, "    size = SIZE + LEVEL", "    return size")})
    (edit,) = search(workspace, model, edited=(EditedFile("a.py", "python", before, after),)).edits
    assert applied(after, edit) == after.replace(
        "    return SIZE\r\n", "    size = SIZE + LEVEL\r\n    return size\r\n"
    )
