"""Prompts and answers of next edits, and of ghost text, from any text: a model may answer with anything."""

from __future__ import annotations

from dataclasses import asdict

from fuzzing import cases
from hypothesis import assume, given
from hypothesis import strategies as st

from foretype.context.rows import Diagnostic, Diff, Excerpt, Target, Window
from foretype.lsp.trim import Place, trim
from foretype.model import confident, fim
from foretype.model.backend import ContextFile
from foretype.model.edit_filters import Proposal, refusal
from foretype.model.edit_format import EditRequest, NoEdit, compact, parse, render
from foretype.model.edits import ANSWER_TOKENS, TOKENS, fit, size
from foretype.model.fim import FAMILIES, Family, Sentinel

SPECIAL = sorted({str(token) for family in FAMILIES.values() for token in family.sentinels})
ODD = "ab1 \t{}()\"'`#@+-<|>_é\u2028\x00\x1b\u202e\ufeff\ud800\r"
LINE = st.one_of(
    st.text(alphabet=ODD, max_size=10), st.sampled_from([*SPECIAL, "@@", "+", "-", "0", "```", "    x = 1"])
)
TEXT = st.lists(LINE, max_size=5).map("\n".join)
# Half of an answer that can be read, and anything.
ANSWER = st.one_of(
    TEXT,
    st.text(max_size=30),
    st.builds("{}{}{}\n{}".format, st.integers(-1, 1200), st.sampled_from(["", "-", "+", "\u0663", " "]), LINE, TEXT),
)
families = st.sampled_from(sorted(FAMILIES)).map(FAMILIES.__getitem__)


@st.composite
def requests(draw: st.DrawFn) -> EditRequest:
    lines, first = tuple(draw(st.lists(LINE, min_size=1, max_size=25))), draw(st.integers(0, 3))
    start = draw(st.integers(0, len(lines) - 1))
    stop = draw(st.integers(start + 1, len(lines)))
    diff = st.builds(Diff, st.sampled_from(["a.py", "b c.ts"]), TEXT)
    complaint = st.builds(Diagnostic, LINE, st.integers(0, 30), LINE, LINE, TEXT)
    return EditRequest(
        draw(st.sampled_from(["a.py", "dir/é.go", "<|file_sep|>.rs"])),
        tuple(draw(st.lists(diff, max_size=3))),
        Window("a.py", first, lines),
        tuple(draw(st.lists(complaint, max_size=2))),
        tuple(draw(st.lists(st.builds(Excerpt, LINE, TEXT), max_size=2))),
        (first + start, first + stop),
    )


@cases(60)
@given(family=families, request_=requests())
def test_any_text_makes_a_prompt_that_fits(family: Family, request_: EditRequest) -> None:
    cut = fit(family, request_, len, 4 * TOKENS)
    prompt = render(family, request_)
    assert {one for one in prompt if isinstance(one, Sentinel)} <= set(family.sentinels)
    if cut is not None:
        assert size(render(family, cut), len) + ANSWER_TOKENS <= 4 * TOKENS
        assert cut.focused == request_.focused
    assert EditRequest.from_plain(asdict(request_)) == request_


@cases(60)
@given(request_=requests(), text=ANSWER)
def test_any_answer_is_an_edit_within_reach_or_none(request_: EditRequest, text: str) -> None:
    found = parse(request_, text)
    if isinstance(found, NoEdit):
        return
    assert request_.window.start <= found.start <= found.stop <= request_.window.stop
    assert not any("\n" in line for line in found.lines)
    assert request_.lines(found.start, found.stop) != found.lines


@cases(60)
@given(st.data(), requests(), st.sampled_from(["python", "typescript", "go", "rust", "java", "plaintext"]))
def test_any_edit_can_be_judged(data: st.DataObject, request_: EditRequest, language: str) -> None:
    lines = ("",) * request_.window.start + request_.window.lines
    start = data.draw(st.integers(-2, len(lines) + 2))
    target = Target(start, start + data.draw(st.integers(-1, 4)), tuple(data.draw(st.lists(LINE, max_size=4))))
    said = parse(request_, data.draw(ANSWER))
    for edit in (target, said):
        if isinstance(edit, Target):
            proposal = Proposal(request_.path, language, lines, edit, request_.focus, request_.history)
            reason = refusal(proposal)
            assert reason is not None or 0 <= edit.start <= edit.stop <= len(lines)


@cases(60)
@given(TEXT)
def test_a_diff_that_is_short_stays(text: str) -> None:
    assert compact(compact(text)) == compact(text)


@cases(70)
@given(families, TEXT, TEXT, st.lists(st.builds(ContextFile, LINE, TEXT), max_size=2), LINE)
def test_no_text_of_a_file_is_a_sentinel(
    family: Family, prefix: str, suffix: str, files: list[ContextFile], path: str
) -> None:
    """In a prompt that is one string, each special token stands as often as in that of the same shape without text."""
    plain = [ContextFile("x", "y") for _ in files]
    hostile, harmless = (
        fim.render(family, before, after, several, name)
        for before, after, several, name in ((prefix, suffix, files, path), ("p", "s", plain, "a"))
    )
    for token in {str(one) for one in family.sentinels}:
        assert hostile.count(token) == harmless.count(token), token


@cases(70)
@given(TEXT, TEXT, st.integers(0, 40), st.integers(0, 40))
def test_what_is_left_of_a_text_is_next_to_the_cursor(prefix: str, suffix: str, before: int, after: int) -> None:
    head, tail = fim.crop(prefix, suffix, before, after)
    assert prefix.endswith(head) and len(head) <= before
    assert suffix.startswith(tail) and len(tail) <= after


@cases(70)
@given(ANSWER, TEXT, TEXT, st.data())
def test_any_ghost_text_is_cut_to_a_part_of_itself(text: str, prefix: str, suffix: str, data: st.DataObject) -> None:
    assume(text)
    ends = sorted(data.draw(st.sets(st.integers(1, len(text)), min_size=1, max_size=8)))
    logprobs = data.draw(st.lists(st.floats(-50, 0), min_size=len(ends), max_size=len(ends)))
    end = confident.best(text, ends, logprobs)
    assert 0 <= end <= len(text)
    trimmed = trim(text[:end], Place(prefix, suffix, None, multi=True))
    assert len(trimmed.text) <= end
