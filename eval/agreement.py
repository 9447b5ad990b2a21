"""`foretype eval agreement`: this engine and a server with the same weights, task by task where they differ.

    foretype eval agreement --data DIR --adapter none --url http://127.0.0.1:8012 --served NAME --family qwen2.5-coder

Greedy answers to HumanEval-Infilling from both, through the backends that the benchmarks use, judged by the same tests.
A server that is given a prompt in this engine's layout should say the same, but for how each side rounds its weights
and its sums. So where two answers part, both are asked how sure they were: ours has the margin of the token that it
chose over the second best, and the server is asked for the next token once more, at the same place, with its
probabilities. Where one of the two margins is below `TIE` the difference is put down to rounding. What is not explained
so, by a limit or by white space is listed as unexplained.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from foretype.eval import engines, infill, sandbox
from foretype.eval.answers import kept
from foretype.eval.provenance import revision
from foretype.model.backend import Backend, BackendError, Cancel, FimRequest, FimResult
from foretype.model.fim import FAMILIES, render

# Natural logarithms: one candidate at most 1.65 times as likely as the other. Rounding on either side moves a token's
# logarithm by a few tenths.
TIE = 0.5
MAX_TOKENS = {"single-line": 64}
_ASK_S = 120.0

# Text so far -> the server's next tokens with the logarithms of their probabilities, the likeliest first.
Rivals = Callable[[str], list[tuple[str, float]]]


@dataclass(frozen=True)
class Difference:
    """A task at which the two say different things. They agree up to `common`; there ours goes on with `our_next`,
    and is by `our_margin` surer of it than of its second choice; the server goes on with `their_next`, likewise.
    Margins are None where they are not known. `verdicts_differ` says whether one passes and the other does not."""

    task_id: str
    ours: str
    theirs: str
    passed_ours: bool
    passed_theirs: bool
    common: str
    our_next: str
    their_next: str
    our_margin: float | None
    their_margin: float | None
    cause: str

    @property
    def verdicts_differ(self) -> bool:
        return self.passed_ours != self.passed_theirs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the benchmark's files")
    parser.add_argument("--split", choices=infill.SPLITS, default="single-line", help="default: %(default)s")
    parser.add_argument("--limit", type=int, default=60, metavar="N", help="tasks, 0 for all (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=7, metavar="N", help="of the choice of tasks (default: %(default)s)"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="this engine's; default: the catalogue's own")
    parser.add_argument("--adapter", default="none", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--url", required=True, help="of the server")
    parser.add_argument("--served", required=True, metavar="NAME", help="the model's name on the server")
    parser.add_argument("--family", required=True, choices=FAMILIES, help="the prompt's layout")
    parser.add_argument("--answers", type=Path, metavar="DIR", help="keep both engines' answers there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write one JSON object a difference")
    sandbox.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, open_backend: Callable[[argparse.Namespace], Backend] = engines.open_backend) -> int:
    """Asks, judges, compares and prints; the exit status. `open_backend` stands in for the two engines."""
    single_line = args.split == "single-line"
    try:
        tasks = infill.choose(infill.read_tasks(args.data, args.split), args.limit, args.seed)
        box = sandbox.open_sandbox(args.unsafe_exec)
        both = [_answers(args, engine, tasks, open_backend) for engine in ("openai", "local")]
        theirs, ours = both
        judged = [
            infill.judge(tasks, [_answer(result, single_line) for result in results], single_line, box)
            for results in (ours, theirs)
        ]
        rows = list(zip(tasks, ours, theirs, *judged, strict=True))
        parted = [row for row in rows if row[3].completion != row[4].completion]
        found = []
        for task, our, their, one, other in tqdm(parted, desc="explaining", file=sys.stderr, disable=None):
            begin = render(FAMILIES[args.family], task.prompt, task.suffix)
            rivals = _rivals(args.url, args.served, begin)
            found.append(difference(task.task_id, our, their, (one.passed, other.passed), rivals))
    except infill.DataError as error:
        return _complain(str(error), 2)
    except (BackendError, sandbox.SandboxError, KeyboardInterrupt) as error:
        return _complain(str(error) or "interrupted", 1)
    figures = {
        "tasks": len(rows),
        "same_prompt_tokens": sum(our.prompt_tokens == their.prompt_tokens for _, our, their, *_ in rows),
        "same_answer": len(rows) - len(found),
        "pass_at_1": sum(row[3].passed for row in rows) / len(rows),
        "server_pass_at_1": sum(row[4].passed for row in rows) / len(rows),
        "verdicts_differ": sum(one.verdicts_differ for one in found),
        "causes": dict(Counter(one.cause for one in found)),
        "split": args.split,
        "seed": args.seed,
        "model": args.model,
        "adapter": args.adapter,
        "served": args.served,
        "revision": revision(),
    }
    if args.out:
        args.out.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found), "utf-8")
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures, found))
    return 0


def difference(
    task_id: str, ours: FimResult, theirs: FimResult, passed: tuple[bool, bool], rivals: Rivals
) -> Difference:
    """Why two answers differ; `passed` has our verdict and theirs."""
    at, place = _parting(ours, theirs.text)
    common, our_next = ours.text[:place], _token(ours, at)
    their_likeliest = rivals(common)
    their_next = their_likeliest[0][0] if their_likeliest else theirs.text[place:][:12]
    our_margin = ours.margins[at] if at is not None and at < len(ours.margins) else None
    their_margin = their_likeliest[0][1] - their_likeliest[1][1] if len(their_likeliest) > 1 else None
    if "length" in (ours.finish, theirs.finish) and ours.finish != theirs.finish:
        cause = "the token limit"
    elif min(our_margin if our_margin is not None else TIE, their_margin if their_margin is not None else TIE) < TIE:
        cause = "rounding"
    elif ours.text.rstrip() == theirs.text.rstrip():
        cause = "white space at the end"
    else:
        cause = "unexplained"
    return Difference(
        task_id, ours.text, theirs.text, *passed, common, our_next, their_next, our_margin, their_margin, cause
    )


def table(figures: Mapping[str, Any], found: Sequence[Difference]) -> str:
    """For people: the figures, and a line for each task at which the two differ."""
    lines = [
        f"{figures['tasks']} tasks, seed {figures['seed']}: as many prompt tokens in {figures['same_prompt_tokens']}, "
        f"the same answer in {figures['same_answer']}",
        f"pass@1 {figures['pass_at_1']:.3f} here, {figures['server_pass_at_1']:.3f} by the server, "
        f"{figures['verdicts_differ']} verdicts differ",
        "",
        "| task | passes here / there | both say | here then (margin) | there then (margin) | cause |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        verdicts = f"{_yes(one.passed_ours)} / {_yes(one.passed_theirs)}"
        here = f"{_quoted(one.our_next)} ({_margin(one.our_margin)})"
        there = f"{_quoted(one.their_next)} ({_margin(one.their_margin)})"
        name = one.task_id.removeprefix("SingleLineInfilling/")
        lines.append(f"| {name} | {verdicts} | {_quoted(one.common[-24:])} | {here} | {there} | {one.cause} |")
    return "\n".join(lines) + "\n"


def _answers(
    args: argparse.Namespace,
    engine: str,
    tasks: Sequence[infill.Task],
    open_backend: Callable[[argparse.Namespace], Backend],
) -> list[FimResult]:
    served = engine == "openai"
    wanted = argparse.Namespace(
        engine=engine,
        model=args.served if served else args.model,
        adapter=args.adapter,
        url=args.url if served else "",
        family=args.family if served else "",
    )
    if args.answers:
        args.answers.mkdir(parents=True, exist_ok=True)
    backend = kept(open_backend(wanted), args.answers / f"{engine}.jsonl" if args.answers else None)
    try:
        asked = _asked(backend, tasks, args.split)
        return list(tqdm(asked, desc=engine, total=len(tasks), unit="task", file=sys.stderr, disable=None))
    finally:
        backend.close()


def _asked(backend: Backend, tasks: Sequence[infill.Task], split: str) -> Iterator[FimResult]:
    reset = getattr(backend, "reset", None)
    for task in tasks:
        if reset:
            reset()
        request = FimRequest(
            task.prompt,
            task.suffix,
            max_tokens=MAX_TOKENS.get(split, 256),
            single_line=split == "single-line",
        )
        yield backend.complete(request, Cancel())


def _answer(result: FimResult, single_line: bool) -> infill.Answer:
    text = result.text.partition("\n")[0] if single_line else result.text
    return infill.Answer(text, 0.0, result.prompt_tokens, result.tokens)


def _parting(ours: FimResult, theirs: str) -> tuple[int | None, int]:
    """The first of our tokens that is not in the other text, None for the end of the answer, and where it begins."""
    same = next(
        (at for at, pair in enumerate(zip(ours.text, theirs, strict=False)) if pair[0] != pair[1]),
        min(len(ours.text), len(theirs)),
    )
    start = 0
    for at, end in enumerate(ours.ends):
        if end > same or start == end:
            return at, start
        start = end
    return None, min(start, same)


def _token(result: FimResult, at: int | None) -> str:
    if at is None or at >= len(result.ends):
        return "(end)"
    return result.text[result.ends[at - 1] if at else 0 : result.ends[at]] or "(end of line)"


def _rivals(url: str, model: str, prompt: str) -> Rivals:
    """Raises `BackendError` when called, if the server tells no probabilities."""
    address = f"{url.rstrip('/').removesuffix('/v1')}/v1/completions"

    def ask(said: str) -> list[tuple[str, float]]:
        body = {"model": model, "prompt": prompt + said, "max_tokens": 1, "temperature": 0, "logprobs": 5}
        try:
            answer = httpx.post(address, json=body, timeout=_ASK_S, trust_env=False).raise_for_status().json()
            return _likeliest(answer["choices"][0]["logprobs"])
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            raise BackendError(f"{address} tells no probabilities ({type(error).__name__})") from error

    return ask


def _likeliest(logprobs: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Of the first token, in the form of llama.cpp's server (objects) or of vLLM (a table a token)."""
    if "content" in logprobs:
        found = [(str(one["token"]), float(one["logprob"])) for one in logprobs["content"][0]["top_logprobs"]]
    else:
        found = [(str(token), float(value)) for token, value in logprobs["top_logprobs"][0].items()]
    return sorted(found, key=lambda pair: -pair[1])


def _yes(passed: bool) -> str:
    return "yes" if passed else "no"


def _margin(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _quoted(text: str) -> str:
    return "`" + json.dumps(text)[1:-1].replace("|", "\\|").replace("`", "'") + "`" if text else ""


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval agreement: {message}\n")
    return status
