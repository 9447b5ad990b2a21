"""Where two engines' answers part, how sure each was there, and what a difference is put down to."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from foretype.eval import agreement, sandbox
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult


def ours(*tokens: str, margins: tuple[float, ...] = (), finish: str = "stop") -> FimResult:
    ends, text = [], ""
    for token in tokens:
        text += token
        ends.append(len(text))
    return FimResult(text, finish, len(tokens), margins=margins or (9.0,) * len(tokens), ends=tuple(ends))


def theirs(text: str, finish: str = "stop") -> FimResult:
    return FimResult(text, finish, 1)


def explained(one: FimResult, other: FimResult, *rivals: tuple[str, float]) -> agreement.Difference:
    said = list[str]()

    def ask(text: str) -> list[tuple[str, float]]:
        said.append(text)
        return list(rivals)

    found = agreement.difference("T/1", one, other, (True, False), ask)
    assert said == [found.common]
    return found


def test_the_place_is_the_beginning_of_our_token_and_a_small_margin_there_is_rounding() -> None:
    found = explained(
        ours("  return", " value", margins=(8.0, 0.2)), theirs("  return val"), (" val", -0.9), (" value", -1.0)
    )
    assert (found.common, found.our_next, found.their_next) == ("  return", " value", " val")
    assert (found.our_margin, found.their_margin) == (0.2, pytest.approx(0.1))
    assert found.cause == "rounding" and found.verdicts_differ


def test_two_engines_that_are_both_sure_are_not_explained() -> None:
    found = explained(ours("a", "b"), theirs("ac"), ("c", -0.1), ("b", -4.0))
    assert (found.cause, found.our_margin, found.their_margin) == ("unexplained", 9.0, pytest.approx(3.9))


def test_one_doubt_is_enough_whichever_side_has_it() -> None:
    assert explained(ours("a", "b"), theirs("ac"), ("c", -0.7), ("b", -0.8)).cause == "rounding"
    assert explained(ours("a", "b", margins=(9.0, 0.1)), theirs("ac"), ("c", 0.0), ("b", -9.0)).cause == "rounding"


def test_a_limit_and_white_space_are_said() -> None:
    assert explained(ours("a", "b", finish="length"), theirs("abc")).cause == "the token limit"
    assert explained(ours("a"), theirs("a  "), (" ", 0.0), ("\n", -3.0)).cause == "white space at the end"


def test_an_answer_that_ends_early_parts_at_its_newline() -> None:
    # the token of a newline has no text of its own left
    found = explained(ours("x = 1", "", margins=(9.0, 0.3)), theirs("x = 1  # one"), ("  #", -0.6), ("\n", -0.9))
    assert (found.common, found.our_next, found.our_margin) == ("x = 1", "(end of line)", 0.3)
    assert found.cause == "rounding"


def test_probabilities_are_read_in_both_servers_forms() -> None:
    llama = {"content": [{"top_logprobs": [{"token": "b", "logprob": -2.0}, {"token": "a", "logprob": -0.5}]}]}
    vllm = {"top_logprobs": [{"b": -2.0, "a": -0.5}]}
    assert agreement._likeliest(llama) == agreement._likeliest(vllm) == [("a", -0.5), ("b", -2.0)]
    with pytest.raises(BackendError, match="tells no probabilities"):
        agreement._rivals("http://127.0.0.1:9", "m", "def f")("")


class Engine:
    """Answers by the task's function."""

    def __init__(self, name: str, answers: dict[str, FimResult]) -> None:
        self.name, self._answers = name, answers

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        return next(result for function, result in self._answers.items() if function in request.prefix)

    def close(self) -> None:
        pass


def test_the_command_asks_both_judges_both_and_lists_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "task_id": f"SingleLineInfilling/{name}",
            "entry_point": name,
            "prompt": f"def {name}():\n",
            "suffix": "",
            "canonical_solution": "    return 1\n",
            "test": "def check(candidate):\n    assert candidate() == 1\n",
        }
        for name in ("same", "parts")
    ]
    (tmp_path / "HumanEval-SingleLineInfilling.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    right, wrong = ours("    return", " 1"), ours("    return", " 2", margins=(9.0, 0.1))
    engines = {
        "openai": Engine("openai:m", {"same": right, "parts": right}),
        "local": Engine("local", {"same": right, "parts": wrong}),
    }
    monkeypatch.setattr(agreement, "_rivals", lambda *_: lambda said: [(" 1", -0.6), (" 2", -0.7)])
    monkeypatch.setattr(sandbox, "open_sandbox", lambda unsafe: sandbox.BARE)
    parser = argparse.ArgumentParser()
    agreement.add_arguments(parser)
    words = f"--data {tmp_path} --url http://x --served m --family qwen2.5-coder --out {tmp_path / 'out'} --json"
    assert agreement.run(parser.parse_args(words.split()), lambda args: engines[args.engine]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["tasks"], figures["same_answer"], figures["verdicts_differ"]) == (2, 1, 1)
    assert (figures["pass_at_1"], figures["server_pass_at_1"]) == (0.5, 1.0)
    assert figures["causes"] == {"rounding": 1}
    (found,) = map(json.loads, (tmp_path / "out").read_text().splitlines())
    assert (found["task_id"], found["our_next"], found["their_next"]) == ("SingleLineInfilling/parts", " 2", " 1")
