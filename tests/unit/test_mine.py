from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from histories import Made, git, repository
from mined_histories import DAY, code, commits
from planted_secrets import PLANTED
from test_mining_filters import GPL

from foretype.cli import main
from foretype.context.rows import Row
from foretype.mining import crew, duplicates, holdout, parts, pipeline, shards
from foretype.mining.config import Config
from foretype.mining.parts import Job, Part
from foretype.mining.pipeline import PipelineError
from foretype.mining.shards import ShardError
from foretype.mining.sources import Source, SourceError, sources
from foretype.model.progress import silent

CONFIG = Config(lint=False)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    folder = tmp_path_factory.mktemp("repositories")
    return [Source(word, str(repository(folder / word, commits(word)))) for word in ("counted", "listed")]


def _mine(found: Sequence[Source], out: Path, config: Config = CONFIG) -> dict[str, Any]:
    return pipeline.run(found, config, out, lambda jobs: crew.locally(jobs, 1), silent)


def _rows(out: Path) -> list[Row]:
    return [row for split in holdout.SPLITS for row in shards.read(out, split)]


def _bytes(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.zst")}


def test_without_grouping_a_commit_is_one_group(two: list[Source], tmp_path: Path) -> None:
    def groups(config: Config) -> set[str]:
        _mine(two, tmp_path / config.digest, config)
        said = [why for row in _rows(tmp_path / config.digest) for why in row.origin.why]
        return {why.partition(" of ")[2] for why in said if why.startswith("group ")}

    assert groups(replace(CONFIG, grouping=False)) == {"1"} < groups(CONFIG)


def test_rows_are_written_split_counted_and_read_again(two: list[Source], tmp_path: Path) -> None:
    said = _mine(two, tmp_path / "out")
    found = _rows(tmp_path / "out")
    assert len(found) == said["rows"] > 40
    assert said["rows"] == sum(said["rows_by_class"].values()) == sum(said["rows_by_language"].values())
    assert {"edit", "no_edit", "fim"} <= said["rows_by_class"].keys()
    assert json.loads(json.dumps(said)) == shards.manifest(tmp_path / "out")
    assert [one["licences"] for one in said["repositories"]] == [("MIT",)] * 2
    assert [one["commits"] for one in said["repositories"]] == [8, 8]
    assert all(one["kept_rows"] <= one["rows"] and len(one["head"]) == 40 for one in said["repositories"])
    assert said["filters"].keys() >= {"merges", "secrets"}


def test_what_validates_is_newer_than_what_trains(two: list[Source], tmp_path: Path) -> None:
    _mine(two, tmp_path / "out", replace(CONFIG, test_share=0.0, validation_share=0.3))
    for name in ("counted", "listed"):
        train, validation = (
            {row.origin.time for row in shards.read(tmp_path / "out", split) if row.origin.repository == name}
            for split in ("train", "validation")
        )
        assert train and validation and max(train) < min(validation)


def test_a_repository_for_testing_is_that_as_a_whole_and_so_are_its_forks() -> None:
    config = Config(test_share=0.5)
    made = [Part(str(at), root=f"{at // 2}", rows=9) for at in range(40)]
    boundaries = holdout.latest(made, [np.arange(9)] * 40, config)
    tests = [boundaries[part.repository] == -np.inf for part in made]
    assert tests[::2] == tests[1::2] and sum(tests) == 20
    own = Part("events", rows=9)
    for seed in range(20):
        other = replace(config, test_share=0.9, seed=seed)
        assert holdout.latest([*made, own], [np.arange(9)] * 41, other)["events"] > 0
    few = [Part(str(at), root=str(at), rows=9) for at in range(5)]
    for count, expected in ((5, 1), (4, 0)):  # of many at least one, of few none
        boundaries = holdout.latest(few[:count], [np.arange(9)] * count, Config())
        assert list(boundaries.values()).count(-np.inf) == expected
    assert {holdout.split_of(time, boundaries["0"]) for time in range(9)} in (
        {"test"},
        {"train"},
        {"train", "validation"},
    )


def test_the_order_of_the_repositories_changes_no_byte_and_the_seed_does(two: list[Source], tmp_path: Path) -> None:
    _mine(two, tmp_path / "one")
    _mine(list(reversed(two)), tmp_path / "two")
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two") != {}
    _mine(two, tmp_path / "other", replace(CONFIG, seed=8))
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "other")


def test_a_fork_adds_nothing_but_its_own(two: list[Source], tmp_path: Path) -> None:
    fork = repository(
        tmp_path / "fork", [*commits("counted"), Made({"new.py": code(5, "new")}, "Add new", time=DAY * 20)]
    )
    said = _mine([*two, Source("fork", str(fork))], tmp_path / "out")
    own = [row for row in _rows(tmp_path / "out") if row.origin.repository == "fork"]
    assert own and {row.origin.path for row in own} == {"new.py"}
    assert said["rejected_by_filter"]["near_duplicates"] > 20


def test_alike_is_what_shares_most_of_its_shingles() -> None:
    long = "".join(f"name_{at} = call_{at}(first_{at}, second_{at})\n" for at in range(60))
    other = "".join(f"func other{at}(a int) int {{ return a*{at} }}\n" for at in range(12))
    texts = [long, other, long.replace("first_7,", "last,"), "  " + other, "x", long.replace("call", "ask")]
    sketches = np.array([duplicates.sketch(text) for text in texts])
    forwards = duplicates.near_duplicates(sketches, np.arange(6), 0.8)
    assert forwards.tolist() == [-1, -1, 0, 1, -1, -1]
    backwards = duplicates.near_duplicates(sketches, np.arange(6)[::-1], 0.8)
    assert backwards.tolist() == [2, 3, -1, -1, -1, -1]
    assert duplicates.near_duplicates(sketches[:0], np.arange(0), 0.8).tolist() == []


def test_a_run_goes_on_with_what_is_finished(
    two: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _mine(two, tmp_path / "whole")
    done = []

    def killed_after_one(jobs: Sequence[Job]) -> Iterator[Part]:
        done.append(parts.mine(jobs[0]))
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(two, CONFIG, out, killed_after_one, silent)
    torn = out / "parts" / f"{done[0].stem.replace('counted', 'listed')[:-16]}{'0' * 16}.jsonl.zst.99.tmp"
    torn.write_bytes(b"half")
    assert not _bytes(out)
    made: list[Part] = []

    def seen(jobs: Sequence[Job]) -> Iterator[Part]:
        for part in crew.locally(jobs, 1):
            made.append(part)
            yield part

    pipeline.run(two, CONFIG, out, seen, silent)
    assert [(part.repository, part.again) for part in made] == [("counted", True), ("listed", False)]
    assert _bytes(out) == _bytes(tmp_path / "whole")
    assert not torn.exists() and not list(out.rglob("*.tmp"))
    # what is not whole is made again
    (out / "parts" / f"{done[0].stem}.index").write_bytes(b"")
    made.clear()
    pipeline.run(two, CONFIG, out, seen, silent)
    assert [part.again for part in made] == [False, True]


@pytest.mark.parametrize("failing", ["write", "replace"])
def test_a_full_disk_is_said_and_loses_nothing(
    two: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    out = tmp_path / "out"
    _mine(two[:1], out)
    before = _bytes(out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*((shards._File, "_put") if failing == "write" else (shards.os, "replace")), full)
        with pytest.raises(PipelineError, match=r"No space left.*run again"):
            _mine(two[:1], out, replace(CONFIG, seed=3) if failing == "write" else CONFIG)
    assert _bytes(out) == before and _rows(out)
    assert not list(out.rglob("*.tmp"))


def test_a_full_disk_of_a_worker_is_that_repositorys_problem(
    two: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_entry", lambda row: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    said = _mine(two, tmp_path / "out")
    assert ["No space left on device" in one["problem"] for one in said["repositories"]] == [True, True]
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_no_row_of_a_repository_whose_licence_is_not_on_the_list(two: list[Source], tmp_path: Path) -> None:
    copyleft = repository(tmp_path / "copyleft", commits("copied", licence=GPL))
    none = repository(tmp_path / "none", [Made({"a.py": code(9, "none")}, "Add functions")])
    said = _mine([two[0], Source("copyleft", str(copyleft)), Source("none", str(none))], tmp_path / "out")
    refused = {one["repository"]: one["refused"] for one in said["repositories"]}
    assert refused == {"copyleft": "licence unknown", "counted": "", "none": "no licence"}
    assert {row.origin.repository for row in _rows(tmp_path / "out")} == {"counted"}


def test_no_planted_secret_comes_out(tmp_path: Path) -> None:
    assert len(PLANTED) >= 40
    made = commits("kept", steps=3)
    for number, (kind, lines) in enumerate(sorted(PLANTED.items())):
        # once in the lines that a commit adds, once there before beside lines that it changes
        name, plain = f"src/{kind}.py", code(12, f"f{number}")
        made += [
            Made(
                {name: plain + lines, f"src/{kind}_old.py": lines + plain}, f"Add {kind}", time=DAY * (2 * number + 30)
            ),
            Made(
                {name: code(12, f"f{number}", 2) + lines, f"src/{kind}_old.py": lines + code(12, f"f{number}", 2)},
                f"Scale {kind}",
                time=DAY * (2 * number + 31),
            ),
        ]
    said = _mine([Source("r", str(repository(tmp_path / "r", made)))], tmp_path / "out")
    assert said["rows"] > 10 and said["rejected_by_filter"]["rows_with_secrets"] > 20
    text = b"".join(line for path in (tmp_path / "out").rglob("*.zst") for line in parts.zstd_lines(path.open("rb")))
    for kind, lines in PLANTED.items():
        for line in lines.splitlines():
            value = max(line.replace('"', " ").split(), key=len)
            assert json.dumps(value)[1:-1].encode() not in text, kind


def test_damaged_shards_are_told_from_whole_ones(two: list[Source], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ShardError, match=r"no manifest.json"):
        list(shards.read(out, "train"))
    _mine(two[:1], out, replace(CONFIG, test_share=0.0))
    [path] = out.glob("train-*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(ShardError, match="cut"):
        list(shards.read(out, "train"))
    lines = list(parts.zstd_lines(io.BytesIO(whole)))
    path.write_bytes(zstandard.compress(b"".join(lines[:-1])))
    with pytest.raises(ShardError, match="rows, not"):
        list(shards.read(out, "train"))
    path.write_bytes(zstandard.compress(b"".join(lines).replace(b"total", b"whole", 1)))
    with pytest.raises(ShardError, match=r"row 1: .*changed"):
        list(shards.read(out, "train"))


def test_a_damaged_part_is_said(two: list[Source], tmp_path: Path) -> None:
    _mine(two[:1], tmp_path)
    [path] = (tmp_path / "parts").glob("*.zst")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PipelineError, match=r"damaged.*remove"):
        _mine(two[:1], tmp_path)


def test_two_runs_do_not_write_into_one_folder(two: list[Source], tmp_path: Path) -> None:
    with pipeline._alone(tmp_path), pytest.raises(PipelineError, match="another run"):
        _mine(two[:1], tmp_path)


def test_names_of_repositories(tmp_path: Path) -> None:
    for name in ("a", "b.git", "deep/a"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "list").write_text("# comment\n\na\n  o/b = b.git\n", encoding="utf-8")
    assert sources([str(tmp_path / "list")]) == [
        Source("a", str(tmp_path / "a")),
        Source("o/b", str(tmp_path / "b.git")),
    ]
    with pytest.raises(SourceError, match="NAME=FOLDER"):
        sources([str(tmp_path / "a"), str(tmp_path / "deep/a")])
    assert len(sources([str(tmp_path / "a"), f"x={tmp_path / 'deep/a'}"])) == 2
    (tmp_path / "list").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(SourceError, match="no repository"):
        sources([str(tmp_path / "list")])


def _command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["mine", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_command_prints_one_object(two: list[Source], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [two[0].path, "--out", str(tmp_path / "out"), "--no-lint", "--workers", "1"]
    status, out, err = _command(capsys, *words, "--json")
    said = json.loads(out)
    assert status == 0 and err == ""
    assert said.keys() >= {"commits", "rows", "rows_by_class", "rejected_by_filter", "commits_per_cpu_s", "seconds"}
    assert said["commits_per_cpu_s"] > 0 and said["commits"] == 8
    status, out, _ = _command(capsys, *words, "--until", "1970-01-05", "--languages", "python", "--seed", "3")
    assert status == 0 and "rows in" in out
    assert {row.origin.time for row in _rows(tmp_path / "out")} <= {DAY, 2 * DAY, 3 * DAY}


def test_one_commit_is_explained(two: list[Source], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shas = git(Path(two[0].path), "rev-list", "HEAD").split()
    status, out, _ = _command(capsys, two[0].path, two[1].path, "--explain", shas[1][:10])
    assert status == 0 and "Scale what is counted, step 6" in out and "row " in out and "app.py:" in out
    status, out, _ = _command(capsys, two[0].path, "--explain", shas[1][:10], "--json", "--without-author", "ada@")
    said = json.loads(out)
    assert said["left_out"] == [{"filter": "authors", "path": "", "reason": "author ada@"}] and not said["rows"]
    mined = tmp_path / "out"
    assert _command(capsys, two[0].path, "--out", str(mined), "--no-lint", "--workers", "1")[0] == 0
    said = json.loads(_command(capsys, two[0].path, "--no-lint", "--explain", shas[2], "--json")[1])
    assert {row.id for row in _rows(mined) if row.origin.commit == shas[2]} <= {row["id"] for row in said["rows"]}
    assert _command(capsys, two[0].path, "--explain", "0" * 40)[0] == 2


def test_bad_usage_and_input_are_one_line(
    two: list[Source], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out"), "--workers", "1"]
    empty = repository(tmp_path / "empty", [])
    (tmp_path / "plain").mkdir()
    git(tmp_path, "clone", "-q", two[0].path, "work")
    (tmp_path / "work" / "inner").mkdir()
    for words, status, line in (
        ([str(tmp_path / "nowhere"), *out], 1, "does not exist"),
        ([str(tmp_path / "plain"), *out], 1, "not a git repository"),
        ([str(empty), *out], 1, "no commits"),
        ([str(tmp_path / "work" / "inner"), *out], 1, "inside of the repository"),
        ([two[0].path, "--out", f"{two[0].path}/HEAD"], 1, "HEAD"),
        ([two[0].path], 2, "--out"),
        ([two[0].path, two[0].path, *out], 2, "NAME=FOLDER"),
        ([two[0].path, *out, "--languages", "klingon"], 2, "klingon"),
        ([two[0].path, *out, "--workers", "0"], 2, "--workers"),
        ([two[0].path, *out, "--config", str(tmp_path / "none.toml")], 2, "cannot be read"),
    ):
        got, _, err = _command(capsys, *words)
        assert got == status and line in err.splitlines()[-1] and "Traceback" not in err, words


def test_odd_histories_are_mined(tmp_path: Path) -> None:
    many: dict[str | bytes, Any] = {f"d{at % 100}/{at}.py": "x = 1\n" for at in range(50_000)}
    made = [
        *commits("kept", steps=3),
        Made(many, "Add all files", time=DAY * 9),
        Made({"odd\nname.py": code(5, "odd"), b"\xff.py": code(5, "bytes")}, "Add odd names", time=DAY * 10),
        Made({"app.py": ("100755", code(7, "kept", 6))}, "Make it a program", time=DAY * 11),
        Made({"app.py": code(7, "kept", 7).replace("\n", "\r\n")}, "Scale more", time=-DAY),
    ]
    out = tmp_path / "out"
    said = _mine([Source("r", str(repository(tmp_path / "r", made)))], out)
    assert said["commits"] == 7 and not said["repositories"][0]["problem"]
    assert said["rejected_by_filter"]["many_changes"] == 1 and said["rejected_by_filter"]["file_names"] == 2
    assert {row.origin.time // DAY for row in _rows(out)} <= {1, 2, 3, -1, 0}


def test_paths_of_parts_do_not_depend_on_names(tmp_path: Path) -> None:
    odd = repository(tmp_path / "odd", commits("odd", steps=4))
    said = _mine([Source("../../o:d*/d", str(odd))], tmp_path / "out")
    assert said["rows"] and {path.name for path in tmp_path.iterdir()} == {"odd", "out"}
    assert all(os.sep not in path.name for path in (tmp_path / "out" / "parts").iterdir())
