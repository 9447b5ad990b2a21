"""Golden pairs of the trim rules: `<rule>/<language>_<what>.txt` holds a source with `<|>` at the cursor, `=== answer`,
then `=== trimmed` with what is left, or `=== stays`. `\\u{200b}` stands for that character."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context import languages
from foretype.lsp import trim as module
from foretype.lsp.trim import RULES, Place, trim

CASES = sorted((Path(__file__).parent.parent / "golden" / "trim").glob("*/*.txt"))


def read_case(file: Path) -> tuple[Place, str, str]:
    text = re.sub(r"\\u\{(\w+)\}", lambda code: chr(int(code[1], 16)), file.read_text("utf-8"))
    case = re.fullmatch(r"(.*)\n=== answer\n(.*)\n=== (?:stays\n|trimmed\n(.*)\n)", text, re.DOTALL)
    source, answer, trimmed = case.groups()
    prefix, _, suffix = source.partition("<|>")
    language = languages.find(file.stem.partition("_")[0])
    place = Place(prefix, suffix, language, multi=file.parent.name != "one_line")
    return place, answer, answer if trimmed is None else trimmed


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_golden(file: Path) -> None:
    place, answer, expected = read_case(file)
    rule = getattr(module, file.parent.name)
    assert rule(answer, place).rstrip("\n") == expected
    result = trim(answer, place)
    assert result.text == expected
    assert (rule.__name__ in result.fired) == (expected != answer)


def test_every_rule_has_pairs_of_both_kinds() -> None:
    for rule in RULES:
        pairs = [read_case(file)[1:] for file in CASES if file.parent.name == rule.__name__]
        assert any(answer != trimmed for answer, trimmed in pairs), rule.__name__
        assert any(answer == trimmed for answer, trimmed in pairs), rule.__name__


def test_reports_the_rules_in_order() -> None:
    place = Place("print(", ")\n", languages.find("python"))
    assert trim("x)\u200b\ny", place) == module.Trimmed("x", ("invisible", "one_line", "surplus_closers"))


def test_nothing_fired() -> None:
    assert trim("x", Place("print(", ")", None)) == module.Trimmed("x", ())


TWICE = "log(1)\nstep(one, two)\nstep(one, two)\nlog(2)\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_that_the_file_has_twice_may_be_repeated_whatever_ends_them(end: str) -> None:
    python = languages.find("python")
    above = Place((TWICE + "go(there, now)\ngo(there, now)\n").replace("\n", end), end, python, multi=True)
    assert trim("go(there, now)", above).text == "go(there, now)"
    below = Place(end, (end + TWICE[7:]).replace("\n", end), python, multi=True)
    assert trim("step(one, two)", below).text == "step(one, two)"


def test_a_long_line_that_nearly_is_a_loop_costs_little() -> None:
    text = "0, " * 650 + "".join(f"{chr(97 + at)}{at}" for at in range(26))
    began = time.process_time()
    assert module.loops(text, Place("x = [", "]\n", None)) == text
    assert time.process_time() - began < 0.3


CODE = st.text(alphabet="ab1_ \n\r\t\"'`(){}[]#/*\\-:;,.=é\u200b\u202e\u2028\ud800", max_size=50)
LINES = st.lists(
    st.sampled_from(["    return x", "foo(bar)", "}", "", "  });", "end", '"""', "x = ["]), max_size=9
).map("\n".join)
ANY = st.one_of(CODE, LINES, st.text(max_size=20))


@settings(max_examples=300, deadline=None)
@given(ANY, ANY, ANY, st.sampled_from([*languages.LANGUAGES, None]), st.booleans())
def test_any_text(text: str, prefix: str, suffix: str, language: languages.Language | None, multi: bool) -> None:
    place = Place(prefix, suffix, language, multi)
    once = trim(text, place)
    assert len(once.text) <= len(text)
    assert (once.text == text) == (not once.fired)
    assert trim(once.text, place) == module.Trimmed(once.text, ())
    assert once.text == "" or once.text.strip()
    assert multi or "\n" not in once.text
