from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from commits import exactly
from histories import Made, repository
from hypothesis import given
from hypothesis import strategies as st

from foretype.context import languages
from foretype.mining import leaks
from foretype.mining.blobs import Blob, Blobs
from foretype.mining.candidate import FileFilter, name, source
from foretype.mining.config import Config, ConfigError
from foretype.mining.filters import BY_STAGE, FILTERS, Tally
from foretype.mining.git import History
from foretype.mining.licence import licences, recognise, refusal
from foretype.mining.renaming import is_renaming
from foretype.mining.survivors import Survivor, pathspecs, survivors
from foretype.mining.trees import TreeCache, tokens

CODE = "".join(f"def function_{at}(value):\n    return value + {at}\n\n\n" for at in range(12))
EDITED = CODE.replace("value + 3", "value * 3 + offset")
C_CODE = "int add(int a, int b) {\n    return a + b;\n}\n"


def _mine(tmp_path: Path, commits: list[Made], config: Config | None = None) -> tuple[list[Survivor], dict[str, int]]:
    config = config or Config()
    tally = Tally()
    with History(repository(tmp_path / "r", commits), pathspecs=pathspecs(config)) as history:
        return list(survivors(history, config, tally)), dict(tally.rejected)


def _edit(before: str, after: str, path: str = "app.py", message: str = "Count words", author: str = "") -> list[Made]:
    who = {"author": author} if author else {}
    return [Made({path: before}, "wip"), Made({path: after}, message, **who)]  # the first is left out by its message


KEPT = {
    "an edit": _edit(CODE, EDITED),
    "a syntax error elsewhere in C": _edit(
        "int x = @;\n" + C_CODE, "int x = @;\n" + C_CODE.replace("a + b", "a - b"), "a.c"
    ),
    "a bot's namesake": _edit(CODE, EDITED, author="Abbot Botha <abbot@example.org>"),
    "a message with a version in it": _edit(CODE, EDITED, message="Read files written by version 2.1"),
    "a short message": _edit(CODE, EDITED, message="Fix overflow"),
    "code and its comment": _edit(CODE, EDITED.replace("    return value * 3", "    # scaled\n    return value * 3")),
    "dedented code": _edit("if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\nd()\n"),
    "a copyright in code": _edit(CODE, CODE + 'NOTICE = "copyright " + owner()\n'),
    "a password's name": _edit(CODE, CODE + "password = read_password(user)\n"),
    "a test": _edit(CODE, EDITED, path="tests/test_app.py"),
    "words of a licence in code": _edit(CODE, EDITED.replace("offset", "licensed")),
    "an added file": [Made({"new.py": CODE}, "Add functions")],
}
DROPPED = {
    "many_changes": [Made({f"d/{at}.txt": "" for at in range(120)} | {"a.py": CODE}, "Add data")],
    "many_files": [Made({f"{at}.py": CODE + f"x = {at}\n" for at in range(20)}, "Add modules")],
    "many_hunks": _edit(
        "".join(f"a{at} = {at}\nb = f()\n" for at in range(60)),
        "".join(f"a{at} = g({at} + c{at})\nb = f()\n" for at in range(60)),
    ),
    "many_characters": [
        Made({"a.py": "".join(f"value_{at} = function({at}, name)\n" for at in range(900))}, "Add table")
    ],
    "moved_files": [
        Made({f"{at}.py": CODE + f"# {at}\n" for at in range(6)}, "wip"),
        Made({f"{at}.py": None for at in range(6)} | {f"src/{at}.py": CODE + f"# {at}\n" for at in range(6)}, "Move"),
    ],
    "merges": [Made({"a.py": CODE}, "wip"), Made({"a.py": EDITED}, "Merge branch 'main' into topic")],
    "reverts": _edit(CODE, EDITED, message='Revert "Count words"'),
    "bots": _edit(CODE, EDITED, author="dependabot[bot] <1+dependabot[bot]@users.noreply.github.com>"),
    "version_bumps": _edit(CODE, EDITED, message="Bump version to 2.1.0"),
    "messages_without_content": _edit(CODE, EDITED, message="minor changes."),
    "authors": _edit(CODE, EDITED, author="Eve <eve@example.org>"),
    "dates": [Made({"a.py": CODE}, "Add functions", time=1_000)],
    "generated_names": _edit(CODE, EDITED, path="vendor/lib/app.py"),
    "test_data": _edit(CODE, EDITED, path="tests/fixtures/app.py"),
    "plain_files": [Made({"a.py": CODE}, "wip"), Made({"a.py": ("100755", CODE.encode())}, "Make it a program")],
    "file_names": [Made({"a\nb.py": CODE}, "Add functions")],
    "unreadable": [Made({"a.py": CODE.encode() + b"x = '\xff'\n"}, "Add functions")],
    "long_lines": _edit(CODE, CODE + f"x = f({'a, ' * 200}b)\n"),
    "white_space": _edit(C_CODE, C_CODE.replace("    return a", "  return  a"), "a.c"),
    "moved_code": _edit(CODE, CODE.partition("\n\n\n")[2] + CODE.partition("\n\n\n")[0] + "\n"),
    "version_numbers": _edit("VERSION = '1.2.3'\n", "VERSION = '1.3.0'\n"),
    "licence_headers": _edit(CODE, '"""Copyright 2020 Ada, all rights reserved."""\n' + CODE),
    "comment_lines": _edit(CODE, "# What follows is counted.\n" + CODE),
    "data_dumps": _edit(CODE, CODE + "TABLE = [\n" + "    1, 2, 3, 4, 5, 6,\n" * 20 + "]\n"),
    "known_secrets": _edit(CODE, CODE + 'key = "AKIA' + "Q7ZP4XNWT3BRLK2M" + '"\n'),
    "contents": _edit(
        "# Code generated by tool. DO NOT EDIT.\n" + CODE, "# Code generated by tool. DO NOT EDIT.\n" + EDITED
    ),
    "line_ends": _edit("x = 1\r" + CODE, "x = 1\r" + EDITED),
    "does_not_parse": _edit(CODE, EDITED + "def (:\n"),
    "formatting_only": _edit("x = f(a, b)\n", "x = f(\n    a,\n    b,\n)\n"),
    "comments_only": _edit(
        'def f():\n    """Old."""\n    return 1\n', 'def f():\n    """New words."""\n    return 1\n'
    ),
    "secrets": _edit(CODE, CODE + 'value = "' + "sq0csp-" + "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"[:43] + '"\n'),
    "reverted": [],  # below, as it needs the id
}


@pytest.mark.parametrize("case", KEPT)
def test_kept(tmp_path: Path, case: str) -> None:
    found, rejected = _mine(tmp_path, KEPT[case])
    assert found, rejected


@pytest.mark.parametrize("filter_name", [name for name in DROPPED if name != "reverted"])
def test_dropped(tmp_path: Path, filter_name: str) -> None:
    options = {"authors": {"authors": ("eve@",)}, "dates": {"since": 5_000}}.get(filter_name, {})
    config = Config(seed=3, **options)  # type: ignore[arg-type]
    found, rejected = _mine(tmp_path, DROPPED[filter_name], config)
    assert filter_name in rejected and not found, rejected


def test_every_filter_is_tried_has_a_source_and_stands_in_order_of_cost() -> None:
    assert {name(one) for one in FILTERS} == DROPPED.keys()
    assert all(len(source(one)) > 50 for one in FILTERS)
    assert [one.stage for one in FILTERS] == sorted(one.stage for one in FILTERS)
    assert sum(map(len, BY_STAGE.values())) == len(FILTERS)


def test_a_revert_takes_its_twin_with_it(tmp_path: Path) -> None:
    commits = _edit(CODE, EDITED)
    with History(repository(tmp_path / "a", commits)) as history:
        head = history.head
    commits.append(Made({"app.py": CODE}, f'Revert "Count words"\n\nThis reverts commit {head}.'))
    found, rejected = _mine(tmp_path, commits)
    assert not found and rejected["reverts"] == rejected["reverted"] == 1


def test_a_tenth_of_version_bumps_is_kept_whatever_the_order() -> None:
    config = Config(seed=1)
    keys = [f"{at:040x}" for at in range(2000)]
    kept = [key for key in keys if config.draw("version bump", key) < config.version_bump_share]
    assert 150 < len(kept) < 250
    assert kept == [key for key in keys if Config(seed=1).draw("version bump", key) < 0.1]
    assert kept != [key for key in keys if Config(seed=2).draw("version bump", key) < 0.1]


def test_files_fall_alone_and_the_rest_of_the_commit_stays(tmp_path: Path) -> None:
    found, rejected = _mine(
        tmp_path,
        [Made({"a.py": CODE, "vendor/b.py": CODE}, "wip"), Made({"a.py": EDITED, "vendor/b.py": EDITED}, "Scale")],
    )
    assert [[file.path for file in one.files] for one in found] == [["a.py"]]
    assert rejected["generated_names"] == 1 and "no_files_left" not in rejected
    [file] = found[0].files
    assert (file.before, file.after, file.language.name) == (CODE, EDITED, "python")
    [hunk] = file.hunks
    assert hunk.old == ("    return value + 3",)
    assert file.before.split("\n")[hunk.old_start] == hunk.old[0]


def test_a_renaming_is_a_class_of_its_own(tmp_path: Path) -> None:
    before = "".join(f"a{at} = old_name({at})\nb = {at}\n" for at in range(60))
    found, rejected = _mine(tmp_path, _edit(before, before.replace("old_name", "new_name")))
    assert [one.renames for one in found] == [True], rejected
    assert not is_renaming(found[0].files[0].hunks[:3])


@pytest.mark.parametrize("newest_first", [True, False])
def test_trees_parsed_from_one_another_are_those_parsed_afresh(newest_first: bool) -> None:
    texts = [CODE]
    for at in range(1, 9):
        texts.append(texts[-1].replace(f"value + {at}", f"(value -\n            {at})  # é"))
    texts[4:] = [text.replace("\n", "\r\n") for text in texts[4:]]
    texts[6:] = [text + "x = 1" for text in texts[6:]]
    python = languages.find("python")
    parser = languages.parser(python) if python else None
    assert python and parser
    cache = TreeCache()
    steps = list(range(1, len(texts)))
    for at in reversed(steps) if newest_first else steps:
        file = exactly("a.py", texts[at - 1], texts[at])
        hunks = tuple(hunk for hunk in file.hunks if hunk.old != hunk.new)  # as patches have them
        sides = texts[at - 1].encode(), texts[at].encode()
        blobs = (Blob(sides[0]), Blob(sides[1]))
        trees = cache.trees(python, ("a.py", "a.py"), (str(at - 1), str(at)), blobs, hunks)
        for tree, side in zip((trees.before, trees.after), sides, strict=True):
            assert tree and str(tree.root_node) == str(parser.parse(side).root_node)
            assert tree.root_node.end_byte == len(side)


def test_options_are_checked_and_have_a_digest(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[mine]\nseed = 11\nlanguages = ["go"]\nmax_comment_share = 1\n')
    config = Config.load(file, {"max_hunks": 3, "since": None})
    assert (config.seed, config.languages, config.max_hunks, config.max_comment_share) == (11, ("go",), 3, 1.0)
    assert config.digest != Config().digest == Config.load().digest
    for line in (
        "seed = 'a'",
        "first_parent = 1",
        "languages = 'go'",
        "languages = ['klingon']",
        "hunks = 1",
        "max_files = -1",
        "[",
    ):
        file.write_text(f"[mine]\n{line}\n")
        with pytest.raises(ConfigError):
            Config.load(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(tmp_path / "none.toml")


MIT = """MIT License. Permission is hereby granted, free of charge, to any person obtaining a copy of this software ...
The above copyright notice and this permission notice shall be included in all copies or substantial portions.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY"""
GPL = "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007"


@pytest.mark.parametrize(
    ("files", "found", "allowed"),
    [
        ({"LICENSE": MIT}, ["MIT"], True),
        ({"COPYING": GPL}, ["unknown"], False),
        ({"LICENSE-MIT": MIT, "COPYING": GPL}, ["MIT", "unknown"], False),
        ({"LICENSE": MIT + " Commons Clause"}, ["unknown"], False),
        ({"a.py": CODE}, [], False),
        ({"Cargo.toml": '[package]\nlicense = "MIT OR GPL-3.0-only"\n'}, ["MIT OR GPL-3.0-only"], True),
        ({"package.json": '{"license": "GPL-3.0-only"}'}, ["GPL-3.0-only"], False),
        ({"pyproject.toml": '[project]\nlicense = {text = "ISC"}\n'}, ["ISC"], True),
        ({"pyproject.toml": "[project"}, [], False),
        ({"src/LICENSE": MIT}, [], False),
    ],
)
def test_licences(tmp_path: Path, files: dict[str, str], found: list[str], allowed: bool) -> None:
    with History(repository(tmp_path / "r", [Made(files)])) as history:
        assert licences(history) == found
    assert (refusal(found, Config().licences) == "") is allowed
    assert refusal(found, ("any",)) == ""  # one's own code


def test_the_licence_of_this_project_is_recognised() -> None:
    assert recognise((Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")) == "Apache-2.0"


def test_file_filters_leave_out_files_and_not_commits() -> None:
    assert {name(one) for one in FILTERS if isinstance(one, FileFilter)} >= {"does_not_parse", "secrets", "test_data"}


def test_a_tree_is_made_from_any_earlier_one_of_its_path() -> None:
    python = languages.find("python")
    parser = languages.parser(python) if python else None
    assert python and parser
    cache = TreeCache()
    far = (CODE.replace("value", "words"), CODE + "x = 1", "", CODE[40:], CODE)
    for at, text in enumerate(far):
        file = exactly("a.py", text, text + "\ny = 2\n")
        sides = (Blob(file.before.encode()), Blob(file.after.encode()))
        trees = cache.trees(python, ("a.py", "a.py"), (f"{at}-", f"{at}+"), sides, file.hunks)
        assert (trees.before is None) == (not text)
        for tree, side in zip((trees.before, trees.after), sides, strict=True):
            assert tree is None or str(tree.root_node) == str(parser.parse(side.data).root_node)


def test_blobs_are_read_once_and_tell_what_is_missing(tmp_path: Path) -> None:
    with History(repository(tmp_path / "r", [Made({"a.py": "one\ntwo"}), Made({"a.py": "é\rb\r\n"})])) as history:
        blobs = Blobs(history)
        shas = [commit.sha for commit in history.commits()]
        ids = [change.new_id for _, changes in history.changes(shas) for change in changes or ()]
        found = blobs.read([*ids, "0" * 40, "1" * 40])
        last, first = (found[name] for name in ids)
        assert last and first and found["0" * 40] == Blob(b"") and found["1" * 40] is None
        assert blobs.read(ids)[ids[0]] is last
    assert last.has_lone_returns and not first.has_lone_returns
    assert [first.line_start(line) for line in range(first.lines + 1)] == [0, 4, 8]
    assert (first.text, Blob(b"\xff").refusal, Blob(b"\0").refusal, last.refusal) == (
        "one\ntwo",
        "not UTF-8",
        "binary",
        "",
    )


@given(st.data())
def test_no_line_with_a_secret_is_passed_over_before_it_is_searched(data: st.DataObject) -> None:
    patterns, _, _ = leaks._detectors()
    detector = data.draw(st.sampled_from(patterns))
    pattern = data.draw(st.sampled_from(list(detector.denylist)))
    line = data.draw(st.from_regex(pattern)).strip()
    if len(line) >= 8 and "\n" not in line and list(detector.analyze_string(line)):
        assert leaks.detected([line])


def test_tokens_of_each_line_of_a_tree_are_all_of_its_tokens() -> None:
    go = languages.find("go")
    parser = languages.parser(go) if go else None
    assert parser
    source = "".join(
        f"// F{at} adds.\nfunc F{at}(a int) int {{\n\treturn a + {at}\n}}\n\n" for at in range(30)
    ).encode()
    tree = parser.parse(b"package p\n\n" + source)
    whole = tokens(tree, [(11, 11 + len(source))])
    functions = [token for at in range(30) for token in whole if token.text == b"F%d" % at]
    assert len(functions) == 30
    starts = [at.start() + 11 for at in re.finditer(rb"(?m)^//", source)]
    parts = [tokens(tree, [span]) for span in pairwise([*starts, 11 + len(source)])]
    assert [token.text for part in parts for token in part if token.text.strip()] == [
        token.text for token in whole if token.text.strip()
    ]
