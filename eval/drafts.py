"""`foretype eval drafts`: tokens per second with drafts and without them, on edits out of git histories.

A task is a window of lines of a file at a commit's parent, and the same window with the commit's change. The engine
does all its work, but its logits are bent so that greedy decoding writes the changed window token by token: what is
measured is how well the old window and the text before it foretell the new one, and what verifying costs, whatever the
weights would have said. With and without drafts in turns, in one run. `--infill` decodes tasks of HumanEval-Infilling
instead, as the model wants them, and lists the answers that differ. Knows nothing of how edits are asked for.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import git
import numpy as np
from tqdm import tqdm

from foretype.context import languages
from foretype.context.machine import cores
from foretype.eval import infill, stats
from foretype.eval.provenance import revision
from foretype.model import fim
from foretype.model.backend import BackendError, Cancel, FimRequest
from foretype.model.drafts import Acceptance, Drafts
from foretype.model.engine import Engine
from foretype.model.generate import Decoder, Prompt, Step, Text
from foretype.model.tokenizer import Vocab

WINDOW = 20  # lines
BEFORE = 256  # tokens of the file above the window, in the prompt
_MOST_TOKENS = 512  # in a window, old or new
_MOST_BYTES = 200_000  # in a file
_CAPACITY = 2048
_INFILL_TOKENS = 64


class DraftsError(Exception):
    """The tasks cannot be had. The message tells a user what to do."""


@dataclass(frozen=True)
class Edit:
    """A window's text before and after a commit's change, and the file's text above it."""

    repository: str
    commit: str
    path: str
    above: str
    old: str
    new: str


@dataclass(frozen=True)
class Timing:
    """One way to write one text: its tokens, the engine's runs and seconds after the prompt was read."""

    tokens: int
    runs: int
    seconds: float


class Dictated:
    """An engine whose logits prefer a given text, if any; its work is the real one's.

    `runs` counts runs, `read` their tokens.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.vocabulary, self.capacity, self.length = engine.vocabulary, engine.capacity, engine.length
        self.start, self.text = 0, list[int]()
        self.runs = self.read = 0

    def dictate(self, start: int, text: Sequence[int]) -> None:
        """From now on `text` is what follows the first `start` tokens."""
        self.start, self.text = start, list(text)

    def forward(self, tokens: Sequence[int], cancel: Cancel, keep: int = 1) -> np.ndarray:
        self.runs += 1
        self.read += len(tokens)
        try:
            rows = self._engine.forward(tokens, cancel, keep)
        finally:
            self.length = self._engine.length
        for row, index in zip(rows, range(self.length - keep - self.start, self.length - self.start), strict=True):
            index += 1  # the token after the row's own
            if 0 <= index < len(self.text):
                row[self.text[index]] = row.max() + 1
        return rows

    def crop(self, length: int) -> None:
        self._engine.crop(length)
        self.length = length


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repositories", nargs="*", type=Path, metavar="REPO", help="git repositories, bare ones too")
    parser.add_argument("--tasks", type=int, default=40, metavar="N", help="in all (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=7, metavar="N", help="of the choice of tasks (default: %(default)s)"
    )
    parser.add_argument("--infill", type=Path, metavar="DIR", help="the benchmark's folder: decode its tasks instead")
    parser.add_argument("--split", choices=infill.SPLITS, default="single-line", help="default: %(default)s")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--adapter", default="default", metavar="NAME")
    parser.add_argument("--threads", type=int, default=0, help="0: one per physical core")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Runs the benchmark; the exit status. Raises `BackendError` for a model that cannot be had."""
    from foretype.model import store
    from foretype.model.onnx import OnnxEngine
    from foretype.model.progress import terminal_progress

    try:
        if bool(args.repositories) == bool(args.infill) or args.tasks < 1:
            raise DraftsError("give git repositories, or --infill DIR, and --tasks of at least 1")
        if args.infill:
            tasks: Sequence[Any] = infill.choose(infill.read_tasks(args.infill, args.split), args.tasks, args.seed)
        else:
            tasks = edits(args.repositories, args.tasks, args.seed)
    except (DraftsError, infill.DataError) as error:
        sys.stderr.write(f"foretype eval drafts: {error}\n")
        return 2
    try:
        with terminal_progress() as progress:
            built = store.ensure_built(args.model, args.adapter, progress)
    except store.StoreError as error:
        raise BackendError(str(error)) from error
    engine, vocab = OnnxEngine(built.folder, _CAPACITY, args.threads), Vocab(built.tokenizer)
    vocab.warm()
    acceptance = Acceptance()
    bar = tqdm(tasks, unit="task", file=sys.stderr, disable=None)
    if args.infill:
        figures = infilled(engine, vocab, bar, acceptance, args.split == "single-line")
    else:
        figures = summary([pair for task in bar if (pair := rewritten(engine, vocab, task, acceptance))], args.seed)
        figures["repositories"] = sorted({task.repository for task in tasks})
    figures |= {
        "chances_anywhere": [round(acceptance.chance(False, match), 2) for match in range(9)],
        "chances_near": [round(acceptance.chance(True, match), 2) for match in range(9)],
        "seed": args.seed,
        "model": built.manifest.get("name", args.model),
        "adapter": built.manifest.get("adapter", ""),
        "model_sha256": built.manifest.get("sha256", ""),
        "engine": "onnxruntime",
        "threads": args.threads or cores(),
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures))
    return 0


def edits(repositories: Sequence[Path], count: int, seed: int) -> list[Edit]:
    """That many edits, the repositories in turns, of commits in an order that `seed` decides. Raises `DraftsError`."""
    sources = [_edits_of(path, random.Random(f"{seed} {_name(path)}")) for path in repositories]
    found: list[Edit] = []
    while sources and len(found) < count:
        for source in list(sources):
            edit = next(source, None)
            if edit is None:
                sources.remove(source)
            else:
                found.append(edit)
    if not found:
        raise DraftsError("no commit of these repositories changes a source file within a window: give others")
    return found[:count]


def window(old: Sequence[str], new: Sequence[str], rng: random.Random) -> tuple[str, str, str] | None:
    """The text above a window of `WINDOW` old lines around one of the changes, the window, and what becomes of it.

    None if nothing changed, or if the change is as large as the window itself. Other changes may lie in it as well.
    """
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changes = [code for code in codes if code[0] != "equal"]
    if not changes:
        return None
    _, low, high, _, _ = rng.choice(changes)
    if high - low > WINDOW // 2:
        return None
    first = max(0, min(low - rng.randrange(WINDOW - (high - low)), len(old) - WINDOW))
    last = min(len(old), first + WINDOW)
    after: list[str] = []
    for _, old_low, old_high, new_low, new_high in codes:
        if old_low < old_high and (old_high <= first or old_low >= last):
            continue
        if old_low == old_high and not first <= old_low < last:
            continue
        if new_high - new_low == old_high - old_low:
            new_low, new_high = new_low + max(0, first - old_low), new_high - max(0, old_high - last)
        elif old_low < first or old_high > last:
            return None  # a change that is cut in two
        after += new[new_low:new_high]
    return "".join(old[:first]), "".join(old[first:last]), "".join(after)


def rewritten(engine: Engine, vocab: Vocab, edit: Edit, acceptance: Acceptance) -> tuple[Timing, Timing] | None:
    """The new window written without drafts and with them; None if it has too many tokens or none."""
    old, new = vocab.encode(edit.old), vocab.encode(edit.new)
    if not 0 < len(new) <= _MOST_TOKENS or len(old) > _MOST_TOKENS:
        return None
    above = vocab.encode(edit.above[-8 * BEFORE :])[-BEFORE:]
    prompt = Prompt((*above, *old, *vocab.encode("\n")))
    dictated = Dictated(engine)

    def write(drafts: Drafts | None) -> Timing:
        decoder = Decoder(dictated, vocab)
        decoder.reset()
        dictated.dictate(len(prompt.tokens), new)
        logits, _ = decoder.prefill(prompt.tokens, Cancel())
        started, dictated.runs = time.perf_counter(), 0
        written = [step.token for step in decoder.stream(prompt, logits, len(new), frozenset(), Cancel(), drafts)]
        seconds = time.perf_counter() - started
        if written != new:
            raise BackendError(f"drafts changed what is written ({edit.repository} {edit.commit[:12]} {edit.path})")
        return Timing(len(new), dictated.runs, seconds)

    return write(None), write(Drafts([above], (), acceptance, original=old))


def infilled(
    engine: Engine, vocab: Vocab, tasks: Iterable[infill.Task], acceptance: Acceptance, single_line: bool
) -> dict[str, Any]:
    """Answers of the model with drafts and without: the times of both, and the answers that differ."""
    family = fim.FAMILIES["qwen2.5-coder"]
    stops = frozenset(vocab.special[stop] for stop in family.stop if stop in vocab.special)
    counted = Dictated(engine)
    pairs, differences = [], []
    total_runs = total_read = 0
    for task in tasks:
        before, after = vocab.encode(task.prompt), vocab.encode(task.suffix)
        tokens: list[int] = []
        for part in fim.layout(family, "", ""):
            if isinstance(part, fim.Sentinel):
                tokens.append(vocab.special[part.token])
            else:
                tokens += before if part.role == "prefix" else after
        prompt, request = Prompt(tuple(tokens)), FimRequest("", "", single_line=single_line)
        ends = (lambda token: b"\n" in vocab.bytes_of(token)) if single_line else None

        def write(
            drafts: Drafts | None, prompt: Prompt = prompt, request: FimRequest = request
        ) -> tuple[list[Step], float, int, int]:
            decoder, text, steps = Decoder(counted, vocab), Text(), list[Step]()
            decoder.reset()
            # the last run of the prompt is part of it: drafts may be verified in it
            head = prompt.tokens[:-1]
            decoder.prefill(head, Cancel())
            started, counted.runs, counted.read = time.perf_counter(), 0, 0
            logits, _ = decoder.prefill(prompt.tokens, Cancel(), drafts.propose(_INFILL_TOKENS) if drafts else ())
            for step in decoder.stream(prompt, logits, _INFILL_TOKENS, stops, Cancel(), drafts):
                steps.append(step)
                if fim.answer_end(text.add(step.text), request) is not None:
                    break
            return steps, time.perf_counter() - started, counted.runs, counted.read

        plain, plain_s, *_ = write(None)
        drafted, drafted_s, runs, read = write(Drafts([after], before, acceptance, ends=ends))
        pairs.append((len(plain), plain_s, drafted_s))
        total_runs, total_read = total_runs + runs, total_read + read
        if [step.token for step in plain] != [step.token for step in drafted]:
            both = zip(plain, drafted, strict=False)
            place = next((index for index, (a, b) in enumerate(both) if a.token != b.token), None)
            margin = None if place is None else round(max(plain[place].margin, drafted[place].margin), 4)
            differences.append({"task_id": task.task_id, "token": place, "margin": margin})
    without, having = sum(pair[1] for pair in pairs), sum(pair[2] for pair in pairs)
    written = sum(pair[0] for pair in pairs)
    return {
        "tasks": len(pairs),
        "tokens": written,
        "tokens_per_s": round(written / having, 1),
        "tokens_per_s_without": round(written / without, 1),
        "ratio": round(without / having, 3),
        "task_ratio_p50": round(statistics.median(pair[1] / pair[2] for pair in pairs), 3),
        "tokens_per_run": round(written / total_runs, 2),
        "read_per_run": round(total_read / total_runs, 2),
        "differences": differences,
    }


def summary(pairs: Sequence[tuple[Timing, Timing]], seed: int) -> dict[str, Any]:
    """The figures of at least one task. The ratio's interval is of 1,000 bootstrap samples of tasks, 95 %."""
    if not pairs:
        raise BackendError("every window has more tokens than fit; give other repositories")
    rng = random.Random(seed)
    ratios = [_ratio(rng.choices(pairs, k=len(pairs))) for _ in range(1000)]
    tokens = sum(plain.tokens for plain, _ in pairs)
    return {
        "tasks": len(pairs),
        "tokens": tokens,
        "tokens_per_s": round(tokens / sum(drafted.seconds for _, drafted in pairs), 1),
        "tokens_per_s_without": round(tokens / sum(plain.seconds for plain, _ in pairs), 1),
        "ratio": round(_ratio(pairs), 2),
        "ratio_ci": [round(stats.percentile(ratios, 2.5), 2), round(stats.percentile(ratios, 97.5), 2)],
        "task_ratio_p50": round(statistics.median(plain.seconds / drafted.seconds for plain, drafted in pairs), 2),
        "tokens_per_run": round(tokens / max(1, sum(drafted.runs for _, drafted in pairs)), 2),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    what = f"tokens/s{' (edits)' if 'repositories' in figures else ''}"
    lines = [
        f"{figures['model']}, {figures['tasks']} tasks, {figures['tokens']} tokens, {figures['threads']} threads",
        "",
        f"without drafts {figures['tokens_per_s_without']:8.1f} {what}",
        f"with drafts    {figures['tokens_per_s']:8.1f} {what}",
        f"ratio          {figures['ratio']:8.2f}"
        + (f"  [{figures['ratio_ci'][0]}, {figures['ratio_ci'][1]}]" if "ratio_ci" in figures else ""),
    ]
    lines += [
        f"differs: {difference['task_id']}, at token {difference['token']}, margin {difference['margin']}"
        for difference in figures.get("differences", ())
    ]
    return "\n".join(lines) + "\n"


def _ratio(pairs: Sequence[tuple[Timing, Timing]]) -> float:
    return sum(plain.seconds for plain, _ in pairs) / sum(drafted.seconds for _, drafted in pairs)


def _edits_of(path: Path, rng: random.Random) -> Iterator[Edit]:
    """One edit of each commit that has one. Raises `DraftsError`."""
    try:
        repository = git.Repo(path)
        # git refuses some bare folders that it has to discover by itself
        repository.git.update_environment(GIT_DIR=str(repository.git_dir))
        commits = repository.git.rev_list("--no-merges", "--min-parents=1", "HEAD").split()
    except (git.exc.GitError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DraftsError(f"{path} is not a git repository with commits ({reason})") from error
    rng.shuffle(commits)
    for name in commits:
        commit = repository.commit(name)
        changed = [
            (change.b_path, change.a_blob, change.b_blob)
            for change in commit.parents[0].diff(commit)
            if change.change_type == "M"
            and change.b_path
            and languages.find("", change.b_path)
            and change.a_blob
            and change.b_blob
            and max(change.a_blob.size, change.b_blob.size) <= _MOST_BYTES
        ]
        if not changed:
            continue
        file, *blobs = rng.choice(changed)
        try:
            old, new = (blob.data_stream.read().decode("utf-8") for blob in blobs)
        except (UnicodeDecodeError, ValueError):
            continue
        found = window(old.splitlines(keepends=True), new.splitlines(keepends=True), rng)
        if found and found[1] != found[2] and found[2]:
            yield Edit(_name(path), name, file, *found)


def _name(path: Path) -> str:
    """What a bare repository's folder is called, or the folder around one that is called `repo`."""
    path = path.resolve()
    return path.parent.name if path.name in ("repo", ".git") else path.name.removesuffix(".git")
