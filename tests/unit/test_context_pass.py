"""The second pass: rows get what serving would have shown right before their answers were typed, and nothing later."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from histories import Made, repository
from mined_histories import DAY, commits
from planted_secrets import PLANTED

from foretype.context.rows import Diff, EditRow, FimRow, Origin, Row, Target, Window
from foretype.lsp.options import Options
from foretype.lsp.project import tokens_of as server_tokens_of
from foretype.mining import context_pass, crew, moments, order, pipeline, shards
from foretype.mining.blobs import Blobs
from foretype.mining.config import Config
from foretype.mining.git import History
from foretype.mining.sources import Source
from foretype.mining.touched import touched
from foretype.mining.tree_workspace import TreeWorkspace
from foretype.model.progress import silent

CONFIG = Config(lint=False, test_share=0.0)
MONEY = "class Money:\n    def __init__(self, amount, currency):\n        self.amount = amount\n"
OLD_LIB = MONEY + "\n\ndef total(items):\n    return Money(sum(items), None)\n"
NEW_LIB = OLD_LIB.replace("def total(items):", "def total(items, currency):").replace("None", "currency")
OLD_APP = "from lib import Money, total\n\n\ndef main(items):\n    print(items)\n    return total(items)\n"
NEW_APP = OLD_APP.replace("total(items)\n", 'total(items, currency="EUR")\n')
OLD_TEST = "from app import main\n\n\ndef test_main():\n    assert main([1])\n"
NEW_TEST = OLD_TEST.replace("assert main([1])", 'assert main([1]).currency == "EUR_IN_TEST"')
LATER = "def written_later(items, currency):\n    return total(items, currency)\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    made = [
        Made({"lib.py": OLD_LIB, "app.py": OLD_APP, "test_app.py": OLD_TEST, "gone.py": LATER}, time=DAY),
        Made({"lib.py": NEW_LIB, "app.py": NEW_APP, "test_app.py": NEW_TEST, "gone.py": None}, time=2 * DAY),
        Made({"later.py": LATER}, time=3 * DAY),
    ]
    return repository(tmp_path / "shop", made)


def _sha(path: Path, back: int) -> str:
    with History(path) as history:
        return [one.sha for one in history.commits()][back]


def _completion(path: Path, back: int, file: str, text: str, middle: str) -> FimRow:
    prefix, found, suffix = text.partition(middle)
    assert found
    return FimRow(Origin("shop", _sha(path, back), 2 * DAY, "MIT", file, "python"), "multi", prefix, middle, suffix)


def _passed(path: Path, *rows: Row) -> list[Row]:
    with History(path) as history:
        return list(context_pass.with_context(history, rows, CONFIG))


def _shown(row: Row) -> str:
    excerpts = row.related if isinstance(row, EditRow) else row.files
    return "".join(f"{one.path}\n{one.text}\n" for one in excerpts)


def test_a_completion_sees_signatures_and_the_edits_that_came_before_it(shop: Path) -> None:
    (row,) = _passed(shop, _completion(shop, 1, "app.py", NEW_APP, 'items, currency="EUR")'))
    said = _shown(row)
    assert "-def total(items):\n" in said and "+def total(items, currency):\n" in said
    assert "EUR_IN_TEST" not in said and "written_later" not in said
    assert row.origin.why[-1] == f"context: {len(row.files)}" and isinstance(row, FimRow)


def test_what_a_commit_deleted_is_there_before_it_and_not_after(shop: Path) -> None:
    with History(shop) as history:
        workspace = TreeWorkspace(history)
        for back, there in ((2, True), (1, False), (0, False), (2, True)):
            workspace.go_to(_sha(shop, back))
            assert (workspace.read("gone.py") is not None) == there
            assert bool(workspace.graph.outline("gone.py")) == there
        workspace.close()


def test_going_on_is_the_same_as_beginning_there(tmp_path: Path) -> None:
    path = repository(tmp_path / "counted", commits("counted"))
    shas = [_sha(path, back) for back in (7, 5, 2, 0)]
    with History(path) as history:
        walked = TreeWorkspace(history)
        for sha in shas:
            walked.go_to(sha)
            fresh = TreeWorkspace(history)
            fresh.go_to(sha)
            assert walked.graph.paths() == fresh.graph.paths() and fresh.graph.paths()
            for one in sorted(fresh.graph.paths()):
                assert walked.graph.outline(one) == fresh.graph.outline(one)
                assert walked.read(one) == fresh.read(one)
            assert len(walked.similar) == len(fresh.similar)
            fresh.close()
        walked.close()


def _planted(tmp_path: Path, middle: str, rest: str = "") -> tuple[Path, str]:
    before = "def first(one):\n    return one\n" + rest
    after = before.replace("\n" + rest, "\n\n\n" + middle + "\n\n" + rest, 1) if rest else before + "\n\n" + middle
    path = repository(tmp_path / "planted", [Made({"a.py": before}, time=DAY), Made({"a.py": after}, time=2 * DAY)])
    return path, after


@pytest.mark.parametrize("rest", ["", "\ndef last(two):\n    return first(two)\n"])
def test_a_definition_in_the_middle_is_shown_nowhere(tmp_path: Path, rest: str) -> None:
    middle = "def planted_name(alpha, beta):\n    planted_value = alpha\n    return planted_value\n"
    path, after = _planted(tmp_path, middle, rest)
    row = _completion(path, 0, "a.py", after, middle)
    (done,) = _passed(path, row)
    assert "planted" not in _shown(done)
    with History(path) as history:
        workspace = TreeWorkspace(history)
        workspace.go_to(_sha(path, 1))
        files = context_pass.files_of(history, Blobs(history), row.origin.commit)
        story = order.steps(touched(files))
        moment = moments.of_completion(row, files, story)
        assert moment and moment.document.text == row.prefix + row.suffix
        workspace.show(moment.documents, moment.history)
        assert not workspace.graph.definitions("planted_name") and workspace.graph.definitions("first")
        assert not workspace.graph.references("planted_value")
        assert all("planted" not in event.diff for event in workspace.recent_edits(8))
        found = workspace.similar.search(
            ["def planted_name(alpha, beta)", "return planted_value"], workspace.read, limit=5
        )
        assert all("planted" not in one.text for one in found)
        workspace.close()


def test_what_stood_in_the_place_of_the_middle_is_not_shown_either(tmp_path: Path) -> None:
    before = "".join(f"def step_{at}(value):\n    return value + {at}\n\n\n" for at in range(40))
    after = before.replace("value + 20\n", "value + planted_twenty\n").replace("value + 3\n", "value + 33\n")
    made = [Made({"a.py": before}, time=DAY), Made({"a.py": after}, time=2 * DAY)]
    path = repository(tmp_path / "replaced", made)
    (done,) = _passed(path, _completion(path, 0, "a.py", after, "value + planted_twenty"))
    assert "value + 20" not in _shown(done) and "planted" not in _shown(done)
    assert "+    return value + 33" in _shown(done)


def test_each_way_to_cut_a_hole_leaves_the_text_around_it(tmp_path: Path) -> None:
    before = "one = 1\n\ntwo = 2\nthree = 3\n\nfour = 4\nfive = 5"
    after = "zero = 0\none = 1\n\nthree = 30\nthree_more = 31\n\nfour = 4\nfive = 50\nsix = 6\n"
    path = repository(tmp_path / "cut", [Made({"a.py": before}, time=DAY), Made({"a.py": after}, time=2 * DAY)])
    with History(path) as history:
        files = context_pass.files_of(history, Blobs(history), _sha(path, 0))
        story = order.steps(touched(files))
        for start in range(len(after)):
            for stop in range(start + 1, len(after) + 1):
                row = FimRow(Origin("", "", 0, "", "a.py", ""), "span", after[:start], after[start:stop], after[stop:])
                moment = moments.of_completion(row, files, story)
                assert moment and moment.document.text == row.prefix + row.suffix
                line, column = moment.start
                assert moment.document.split_at(line, column) == (row.prefix, row.suffix)


def test_an_edit_row_gets_signatures_of_other_files(shop: Path) -> None:
    made = Diff(
        "lib.py",
        "@@ -5,3 +5,3 @@\n \n-def total(items):\n+def total(items, currency):\n     return Money(sum(items), None)\n",
    )
    lines = tuple(OLD_APP.split("\n"))
    target = Target(5, 6, ('    return total(items, currency="EUR")',))
    origin = Origin("shop", _sha(shop, 1), 2 * DAY, "MIT", "app.py", "python")
    row = EditRow(origin, "edit", (made,), False, Window("app.py", 0, lines), target)
    (done,) = _passed(shop, row)
    assert isinstance(done, EditRow) and done.id == row.id
    assert "lib.py\ndef total(items, currency)" in _shown(done)
    assert "EUR" not in _shown(done) and all(one.path != "app.py" for one in done.related)
    assert sum(map(context_pass.tokens_of, (one.text for one in done.related))) <= 96
    # a history that does not lead to its window says nothing of the moment
    assert _passed(shop, replace(row, window=Window("app.py", 0, ("something else", *lines)))) == []


def test_a_renamed_file_is_known_by_its_new_name_alone(tmp_path: Path) -> None:
    text = "".join(f"def part_{at}(value):\n    return value + {at}\n\n\n" for at in range(60))
    made = [
        Made({"old.py": text}, time=DAY),
        Made({"old.py": None, "new.py": text + "last = part_1(1)\n"}, time=2 * DAY),
    ]
    path = repository(tmp_path / "renamed", made)
    row = _completion(path, 0, "new.py", text + "last = part_1(1)\n", "last = part_1(1)\n")
    (done,) = _passed(path, row)
    assert "old.py" not in _shown(done) and "new.py" in _shown(done)


def test_no_secret_of_another_file_is_shown(tmp_path: Path) -> None:
    holders = {
        f"{kind}.py": f"def open_vault_{kind}(door_{kind}):\n    handle_{kind} = door_{kind}.handle\n"
        f"{planted}    return 1\n"
        for kind, planted in PLANTED.items()
    }
    before = "def first(one):\n    return one\n"
    asked = [f"\n\ndef ask_{kind}(door_{kind}):\n    handle_{kind} = open_vault_{kind}(3)\n" for kind in PLANTED]
    after = before + "".join(asked)
    made = [Made({**holders, "app.py": before}, time=DAY), Made({"app.py": after}, time=2 * DAY)]
    path = repository(tmp_path / "vault", made)
    rows = [_completion(path, 0, "app.py", after, f"open_vault_{kind}(3)") for kind in PLANTED]
    done = _passed(path, *rows)
    said = "".join(map(_shown, done))
    assert len(done) > len(PLANTED) // 2 and "open_vault_" in said
    for planted in PLANTED.values():
        assert not any(line.strip() and line in said for line in planted.splitlines())


def _said(number: int, kind: str = "fim", mode: str = "single", prefix: str = "    x = ") -> dict[str, object]:
    origin = {"commit": f"c{number // 10}", "time": number // 10}
    more = {"mode": mode, "prefix": prefix, "middle": "y"} if kind == "fim" else {}
    return {"id": f"{number:016x}", "kind": kind, "origin": origin, **more}


def test_rows_are_drawn_from_the_newer_half_some_of_each_commit() -> None:
    rows = [_said(number, "edit" if number % 10 > 6 else "fim") for number in range(100)]
    config = replace(CONFIG, context_rows=28)
    ids = [int(name, 16) for name in context_pass.drawn(rows, config)]
    assert len(ids) == len(set(ids)) == 28 and min(ids) >= 50
    counted = [sum(one // 10 == commit for one in ids) for commit in range(5, 10)]
    assert sorted(counted) == [0, 7, 7, 7, 7]
    assert list(context_pass.drawn(reversed(rows), config)) == list(context_pass.drawn(rows, config))
    assert context_pass.drawn(rows, replace(config, seed=8)) != context_pass.drawn(rows, config)
    assert context_pass.drawn([], config) == ()


def test_completions_within_functions_are_drawn_first() -> None:
    rows = [_said(at, mode="span") for at in range(4)] + [_said(at, prefix="x = ") for at in range(4, 7)]
    rows += [_said(at) for at in range(7, 10)]
    ids = [int(name, 16) for name in context_pass.drawn(rows, replace(CONFIG, context_rows=5))]
    assert set(ids[:3]) == {7, 8, 9} and set(ids[3:]) < {0, 1, 2, 3}


def _mine(found: Sequence[Source], out: Path, config: Config, workers: int = 1) -> dict[str, object]:
    return pipeline.run(found, config, out, lambda jobs: crew.locally(jobs, workers), silent)


def test_as_many_rows_as_asked_for_get_context_and_all_stay_who_they_are(tmp_path: Path) -> None:
    words = ("counted", "listed")
    found = [Source(word, str(repository(tmp_path / word, commits(word, steps=4)))) for word in words]
    _mine(found, tmp_path / "without", CONFIG)
    for other in ("with", "two"):  # what was mined is mined
        shutil.copytree(tmp_path / "without" / "parts", tmp_path / other / "parts")
    config = replace(CONFIG, context_rows=6)
    said = _mine(found, tmp_path / "with", config)
    assert said["rows_with_context"] == 12
    one, other = (
        {row.id: row for split in ("train", "validation") for row in shards.read(tmp_path / out, split)}
        for out in ("without", "with")
    )
    assert one.keys() == other.keys()
    changed = [row for name, row in other.items() if row != one[name]]
    assert len(changed) == 12 and any(_shown(row) for row in changed)
    # another number of workers writes the same, and a run begun anew takes what is there
    _mine(found, tmp_path / "two", config, workers=2)
    again = _mine(found, tmp_path / "with", config)
    assert {path.name for path in (tmp_path / "two").glob("*.zst")} == {
        path.name for path in (tmp_path / "with").glob("*.zst")
    }
    assert again["context_cpu_s"] == said["context_cpu_s"]


def test_it_asks_for_what_the_server_asks_for() -> None:
    options = Options()
    budget = context_pass.BUDGET
    assert budget.tokens == options.context.tokens
    assert (budget.prefix_tokens, budget.suffix_tokens) == (
        options.completion.prefix_tokens,
        options.completion.suffix_tokens,
    )
    for text in ("", "x\n", "def total(items, currency):\n    return items\n" * 9):
        assert context_pass.tokens_of(text) == server_tokens_of(text)
