"""Rows as token sequences: what serving would have read, and what is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scene import MIDDLE, STOP, Scene
from tiny_model import ID
from training import ORIGIN, edit_rows, fim_rows, write

from foretype.context.row_files import ShardError
from foretype.context.rows import EditRow, Excerpt, FimRow, Label, Target, Window
from foretype.model.backend import ContextFile
from foretype.model.fim import FAMILIES
from foretype.model.tokenizer import Vocab
from foretype.model.train import stream as train_stream
from foretype.model.train.rows import Example, Layout, Rows

FAMILY = FAMILIES["qwen2.5-coder"]
STANDING = Layout(files=1, typed=0)
SENTINELS = "<|fim_middle|><|endoftext|><|file_sep|>x\n"
LONG = "".join(f"    x{line} = counter(a, {line})\n" for line in range(40))
FILES = (Excerpt("lib/b.py", f"def b(count):\n    return '{SENTINELS}'"), Excerpt(f"{SENTINELS[:-1]}.py", SENTINELS))
SINGLE = FimRow(ORIGIN, "single", "def a():\n    return co", "unt + 1", "\n\nprint()\n")


def example(vocab: Vocab, row: FimRow | EditRow, layout: Layout = STANDING) -> Example:
    found = Rows(vocab, FAMILY, layout).example(row)
    assert found
    return found


@pytest.mark.parametrize("files", [(), FILES, FILES[:1]], ids=["none", "two", "one"])
@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        (SINGLE.prefix, SINGLE.suffix),
        ("", ""),
        (f"a\r\n{SENTINELS}  x(1", f"{SENTINELS}\r\nb\r\n"),
        (f"{LONG}{SENTINELS}{LONG}    retu", LONG),
        ("é = 'né" * 30, "é" * 300),
    ],
    ids=["line", "empty", "sentinels", "long", "accents"],
)
@pytest.mark.parametrize("typed", [0.0, 1.0], ids=["standing", "lines typed since"])
def test_serving_reads_what_training_wrote(vocab, prefix, suffix, files, typed) -> None:
    row = FimRow(ORIGIN, "span", prefix, "x = 1", suffix, files)
    learnt = example(vocab, row, Layout(limit=2000, files=1, typed=typed))
    answer = vocab.decode(learnt.tokens[learnt.start : -1]).decode()
    begun = answer.removesuffix(row.middle)
    assert prefix.endswith(begun)
    # serving is asked where the prompt ends, and would go on while the rest is typed
    asked = prefix[: len(prefix) - len(begun)]
    served = Scene(vocab).prompt(
        asked, suffix, files=tuple(ContextFile(file.path, file.text) for file in files), path=ORIGIN.path
    )
    assert list(learnt.tokens[: learnt.start]) == served


def test_the_answer_begins_with_the_line_of_the_cursor_and_ends(vocab) -> None:
    learnt = example(vocab, SINGLE)
    assert learnt.tokens[learnt.start - 1] == MIDDLE
    # "co" + "unt" are the one token that healing forces in serving
    assert learnt.tokens[learnt.start :] == (*vocab.encode("    return count + 1"), STOP)
    assert ID["Ġcount"] in learnt.tokens[learnt.start :]


def test_a_middle_that_is_cut_has_no_end(vocab) -> None:
    learnt = example(vocab, replace(SINGLE, middle="x" * 1000, mode="span"), replace(STANDING, limit=100, answer=50))
    assert len(learnt.tokens) == 100
    assert STOP not in learnt.tokens


def test_without_room_for_the_middle_there_is_no_example(vocab) -> None:
    row = replace(SINGLE, prefix="x" * 200, middle="y")
    assert Rows(vocab, FAMILY, replace(STANDING, limit=100, answer=50)).example(row) is None


def test_files_are_left_out_and_lines_moved_in_their_shares_of_rows(vocab) -> None:
    rows = [replace(row, prefix="y = 1\n" * 20 + "re") for row in fim_rows(400)]
    learnt = [example(vocab, row, Layout()) for row in rows]
    assert learnt == [example(vocab, row, Layout()) for row in rows]
    with_files = sum(ID["<|file_sep|>"] in one.tokens for one in learnt) / len(rows)
    moved = [vocab.decode(one.tokens[one.start :]).count(b"\n") for one in learnt]
    assert 0.62 < with_files < 0.78
    assert 0.42 < sum(lines > 0 for lines in moved) / len(rows) < 0.58
    assert set(moved) == set(range(9))
    assert [len(one.tokens) for one in learnt] != [len(example(vocab, row, Layout(seed=2)).tokens) for row in rows]


def test_what_is_moved_has_its_limit(vocab) -> None:
    row = replace(SINGLE, prefix="".join(f"{'x' * 40} = {line}\n" for line in range(9)))
    learnt = example(vocab, row, replace(STANDING, typed=1, typed_tokens=60))
    assert len(learnt.tokens) - learnt.start <= 60 + len(row.middle) + 1


def test_an_edit_row_is_asked_as_serving_asks(vocab) -> None:
    for row in edit_rows(6):
        learnt = example(vocab, row, Layout())
        answer = vocab.decode(learnt.tokens[learnt.start : -1]).decode()
        assert learnt.kind == row.label
        assert learnt.tokens[-1] == STOP
        assert (answer == example_of_nothing(vocab, row)) == (row.target is None)


def example_of_nothing(vocab: Vocab, row: EditRow) -> str:
    learnt = example(vocab, replace(row, target=None, label="no_edit"), Layout())
    return vocab.decode(learnt.tokens[learnt.start : -1]).decode()


def test_an_edit_that_does_not_fit_is_left_out(vocab) -> None:
    row = replace(edit_rows(1)[0], target=Target(2, 3, ("x" * 600,)), window=Window("main.py", 0, ("a", "b", "c")))
    assert Rows(vocab, FAMILY, Layout()).example(row) is None


def test_an_edit_that_cannot_be_foreseen_is_left_out(vocab) -> None:
    row = next(one for one in edit_rows(6) if one.label == "edit" and one.target and one.target.start < one.target.stop)
    old, target = row.window.lines[row.target.start - row.window.start], row.target

    def learnt(line: str, label: Label = "edit", unseen: int | None = 1) -> bool:
        one = replace(row, label=label, target=replace(target, lines=(line,)))
        return Rows(vocab, FAMILY, Layout(unseen=unseen)).example(one) is not None

    assert learnt(f"{old} # zyx")
    assert learnt(f"{old} # zyx zyx")  # one word
    assert not learnt(f"{old} # zyx wvu")
    assert learnt(f"{old} # zyx wvu", "lint")
    assert learnt(f"{old} # zyx wvu", unseen=None)


# The order of rows


def numbers(draws: Sequence[train_stream.Draw]) -> list[bytes]:
    return [draw.line for draw in draws]


def taken(rows: train_stream.Lines, count: int, start: int = 0, seed: int = 1) -> list[train_stream.Draw]:
    stream = train_stream.draws(rows, train_stream.shares("both"), seed, start)
    return [next(stream) for _ in range(count)]


@pytest.fixture
def lines(tmp_path: Path) -> train_stream.Lines:
    folder = write(tmp_path / "pairs", {"train": [*fim_rows(60), *edit_rows(40)], "validation": fim_rows(3)})
    return train_stream.load([folder], "train", train_stream.shares("both"), 1000, 1)


def test_the_order_goes_on_where_it_was(lines) -> None:
    whole = taken(lines, 500)
    assert taken(lines, 200, start=300) == whole[300:]
    assert taken(lines, 500, seed=2) != whole
    assert [draw.number for draw in whole] == list(range(500))


def test_each_row_of_a_kind_comes_once_before_any_comes_again(lines) -> None:
    for kind in ("single", "edit"):
        drawn = numbers([draw for draw in taken(lines, 800) if draw.kind == kind])
        count = len(lines[kind])
        assert len(set(drawn[:count])) == len(set(drawn[count : 2 * count])) == count
        assert drawn[:count] != drawn[count : 2 * count]


def test_kinds_come_in_their_shares(lines) -> None:
    drawn = taken(lines, 4000)
    half = sum(draw.kind in ("single", "multi", "span") for draw in drawn) / len(drawn)
    # edits' half lacks lint fixes and renames: there are no such rows
    assert half == pytest.approx(0.5 / 0.94, abs=0.03)


def test_a_kind_of_few_rows_is_not_learnt_by_heart(lines) -> None:
    lines["edit"] = lines["edit"][:1]
    drawn = taken(lines, 3000)
    assert sum(draw.kind == "edit" for draw in drawn) / len(drawn) < 0.06


def test_rows_of_several_folders_are_there_once(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, {"train": fim_rows(30, files=name == "a")}) for name in "ab")
    found = train_stream.load([first, second], "train", ["single", "multi", "span"], 1000, 1)
    assert sum(map(len, found.values())) == 30
    assert all(b"X" in line for some in found.values() for line in some)  # those of the first folder have files


def test_of_many_rows_the_seed_chooses(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"train": fim_rows(600)})
    found = [train_stream.load([folder], "train", ["single"], 300, seed)["single"] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert 60 < len(found[0]) < 140


def test_a_shard_that_was_cut_or_changed_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"train": fim_rows(60)})
    (shard,) = folder.glob("*.zst")
    whole = shard.read_bytes()
    for damaged in (whole[:-20], whole[:40] + b"\0" + whole[41:]):
        shard.write_bytes(damaged)
        with pytest.raises(ShardError, match=r"not what was written.*mine again"):
            train_stream.load([folder], "train", ["single"], 300, 1)
    shard.unlink()
    with pytest.raises(ShardError, match="mine again"):
        train_stream.load([folder], "train", ["single"], 300, 1)


def test_rows_of_another_schema_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"train": fim_rows(6)})
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 0'))
    with pytest.raises(ShardError, match="another schema"):
        train_stream.load([folder], "train", ["single"], 300, 1)
