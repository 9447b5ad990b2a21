"""What llama.vim asks of its server, byte by byte, and what it shows of an answer."""

import pytest

from foretype.eval.llama import fim as llama_fim
from foretype.eval.llama.fim import Hint, hint, window, window_after
from foretype.eval.llama.ring import Chunk

# What is asked.

BODY = {
    "id_slot": 0,
    "model": "",
    "input_extra": [{"text": "X = 1\nY = 2\n", "filename": "b.py"}],
    "input_prefix": "def f(a):\n",
    "input_suffix": ")\nend\n",
    "prompt": "  g(",
    "n_predict": 128,
    "stop": [],
    "n_indent": 2,
    "top_k": 40,
    "top_p": 0.9,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 250,
    "response_fields": [
        "content",
        "timings/prompt_n",
        "timings/prompt_ms",
        "timings/prompt_per_token_ms",
        "timings/prompt_per_second",
        "timings/predicted_n",
        "timings/predicted_ms",
        "timings/predicted_per_token_ms",
        "timings/predicted_per_second",
        "truncated",
        "tokens_cached",
    ],
}
EXTRA = [Chunk("b.py", ("X = 1", "Y = 2"))]


def test_the_first_body() -> None:
    assert llama_fim.body(window(["def f(a):", "  g()", "end"], 1, 4), EXTRA, speculative=False) == BODY


def test_the_speculative_body() -> None:
    ahead = window_after(["def f(a):", "  g(", "end"], 1, ["a)", "  h("], indent=2)
    expected = BODY | {
        "input_prefix": "def f(a):\n  g(a)\n",
        "prompt": "  h(",
        "input_suffix": "\nend\n",
        "t_max_predict_ms": 1000,
    }
    assert llama_fim.body(ahead, EXTRA, speculative=True) == expected


def test_the_prefill_body() -> None:
    shared = {key: BODY[key] for key in ("id_slot", "model", "input_extra", "stream", "cache_prompt")}
    assert llama_fim.prefill_body(EXTRA) == shared | {
        "input_prefix": "",
        "input_suffix": "",
        "prompt": "",
        "n_predict": 0,
        "temperature": 0.0,
        "samplers": [],
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [""],
    }


def test_the_window_is_256_lines_up_and_64_down() -> None:
    lines = [str(n) for n in range(400)]
    around = window(lines, 300, 1)
    assert around.prefix.split("\n")[:-1] == lines[44:300]
    assert (around.middle, around.suffix.split("\n")) == ("3", ["00", *lines[301:365], ""])
    assert window_after(lines, 300, ["", "x", "y"], 0).prefix.split("\n")[:-1] == [*lines[46:301], "x"]


def test_a_blank_line_is_asked_for_from_its_start() -> None:
    here = window(["a", "    ", "b"], 1, 4)
    assert (here.prefix, here.middle, here.suffix, here.indent) == ("a\n", "", "\nb\n", 0)


def test_the_first_line_of_a_file_has_an_empty_one_above() -> None:
    assert window(["ab"], 0, 1).prefix == "\n"


# What is shown.


@pytest.mark.parametrize(
    ("answer", "lines", "row", "column", "shown"),
    [
        ("1\n\n", ["x = "], 0, 4, ["1"]),
        ("", ["x = "], 0, 4, None),
        ("\n\n", ["x = "], 0, 4, None),
        ("   ", ["x = "], 0, 4, None),
        ("    return 1", ["def f():", "    "], 1, 4, ["return 1"]),
        ("        return 1", ["def f():", "    "], 1, 4, ["    return 1"]),
        ("\nb\nc", ["a", "b", "c"], 0, 1, None),  # the lines below
        ("\nb\nd", ["a", "b", "c"], 0, 1, ["", "b", "d"]),
        (" = 1", ["a", "a = 1"], 0, 1, None),  # the line below
        (" = 1", ["a", "", " ", "a = 1"], 0, 1, None),
        (" = 1\nb", ["a", "a = 1", "b = 2"], 0, 1, None),
        (" = 1\nc", ["a", "a = 1", "b = 2"], 0, 1, [" = 1", "c"]),
        (" = 1\nb\nc", ["a", "a = 1", "b", "c"], 0, 1, None),
        (" = 1\nb\nd", ["a", "a = 1", "b", "c"], 0, 1, [" = 1", "b", "d"]),
    ],
)
def test_an_answer_that_repeats_what_is_there_is_not_shown(
    answer: str, lines: list[str], row: int, column: int, shown: list[str] | None
) -> None:
    found = hint(answer, lines, row, column)
    assert (list(found.lines) if found.acceptable else None) == shown


def test_the_rest_of_the_line_is_behind_what_is_accepted() -> None:
    assert hint("1", ["f()"], 0, 2) == Hint(("1)",), "1", True)
    assert hint(")", ["f()"], 0, 2) == Hint((")",), "", True)
