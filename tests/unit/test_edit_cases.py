from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from foretype.context import languages
from foretype.eval.next_edits import cases as edit_cases
from foretype.eval.next_edits import metrics as edit_metrics
from foretype.eval.next_edits.cases import KINDS, CaseError, EditCase, Spot, parse

FOLDER = Path(edit_cases.__file__).parents[1] / "cases" / "edits"
CASES = edit_cases.read_folder(FOLDER)

_CASE = """# A function is renamed

Its caller follows.

- kind: rename
- lane: rule

## Files

`shop/cart.py`
```python
def total(items):
    return sum(items)
```

`shop/page.py`
```python
from shop.cart import total

LABEL = "total"
print(total([]))
```

## Edit

`shop/cart.py`
```diff
-def total(items):
+def price(items):
```

## Next

`shop/page.py`
```diff
-from shop.cart import total
+from shop.cart import price
@@
-print(total([]))
+print(price([]))
```

## Alone

- `shop/page.py`: `LABEL = "total"`
"""


def _broken(path: str, text: str) -> bool:
    language = languages.find("", path)
    parser = languages.parser(language) if language else None
    return parser is not None and parser.parse(text.encode()).root_node.has_error


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_is_sound(case: EditCase) -> None:
    before = {file.path: file.before for file in case.edited} | {
        path: text for path, text in case.files.items() if path not in {file.path for file in case.edited}
    }
    for texts in (before, case.files, *case.expected):
        assert not [path for path, text in texts.items() if _broken(path, text)]
        assert not [path for path, text in texts.items() if text and not text.endswith("\n")]
    assert case.edited, "the user has done nothing"
    assert case.title and case.text and case.language
    quiet = ("finished", "wording", "independent", "lookalike", "undo")
    assert case.due == (case.kind not in quiet)
    assert case.name.startswith("quiet-") != case.due
    # what must stay alone is not changed by any answer
    for answer in case.expected:
        verdict = edit_metrics.judge(case.files, [answer], [], alone=case.alone)
        changed = {(hunk.path, line) for hunk in edit_metrics.changes(case.files, answer) for line in hunk.old}
        assert not [spot for spot in case.alone if (spot.path, case.files[spot.path].split("\n")[spot.line]) in changed]
        assert verdict.due == case.due
    assert len(case.expected) == len({tuple(sorted(answer.items())) for answer in case.expected})


def test_there_are_enough_cases() -> None:
    due = Counter(case.language for case in CASES if case.due)
    script = due["typescript"] + due["javascript"] + due["tsx"]
    assert due["python"] >= 24 and script >= 16 and due["go"] >= 12 and due["rust"] >= 6 and due["java"] >= 6
    assert due.total() >= 64
    assert sum(not case.due for case in CASES) >= 24
    assert {case.kind for case in CASES} == set(KINDS)
    rules = [case for case in CASES if case.due and case.lane == "rule"]
    assert sum(case.language == "python" and case.kind in ("rename", "parameter") for case in rules) >= 15


def test_a_case_is_read() -> None:
    case = parse("rename", _CASE)
    assert (case.title, case.text, case.kind, case.lane) == (
        "A function is renamed",
        "Its caller follows.",
        "rename",
        "rule",
    )
    assert case.files["shop/cart.py"].startswith("def price")
    (edited,) = case.edited
    assert edited.before.startswith("def total") and edited.language == "python"
    (answer,) = case.expected
    assert answer["shop/page.py"] == 'from shop.cart import price\n\nLABEL = "total"\nprint(price([]))\n'
    assert case.alone == (Spot("shop/page.py", 2),)
    assert case.due


def test_new_and_deleted_files_and_several_edits() -> None:
    text = _CASE.replace(
        "## Next",
        "`shop/new.py`\n```python\nA = 1\n```\n\n`shop/new.py`\n```diff\n-A = 1\n+A = 2\n```\n\n"
        "`shop/cart.py` deleted\n\n## Next",
    )
    case = parse("moved", text)
    assert [(file.path, file.before, file.after) for file in case.edited] == [
        ("shop/new.py", "", "A = 2\n"),
        ("shop/cart.py", "def total(items):\n    return sum(items)\n", ""),
    ]
    assert [step.path for step in case.steps] == ["shop/cart.py", "shop/new.py", "shop/new.py", "shop/cart.py"]
    assert "shop/cart.py" not in case.files


def test_answers_that_are_equally_right() -> None:
    other = _CASE.replace("## Alone", "or\n\n`shop/page.py`\n```diff\n-print(total([]))\n+print(0)\n```\n\n## Alone")
    one, two = parse("two", other).expected
    assert "price" in one["shop/page.py"] and "print(0)" in two["shop/page.py"]


def test_a_hunk_is_found_by_its_line() -> None:
    text = _CASE.replace(
        "    return sum(items)\n", "    return sum(items)\n\n\ndef total(items):\n    return sum(items)\n"
    )
    with pytest.raises(CaseError, match=r"twice\.md:\d+: a hunk for shop/cart.py is there 2 times"):
        parse("twice", text)
    assert parse("second", text.replace("-def total", "@@ 5\n-def total")).files["shop/cart.py"].count("price") == 1


def test_nothing_is_due() -> None:
    head, _, rest = _CASE.partition("## Next\n")
    quiet = head + "## Next\n\nNothing.\n\n## Alone\n" + rest.partition("## Alone\n")[2]
    assert not parse("quiet", quiet).due


def test_diagnostics() -> None:
    text = _CASE.replace(
        "## Next", '## Diagnostics\n\n- `shop/page.py`: `LABEL = "total"`: unused (ruff F841)\n\n## Next'
    )
    (said,) = parse("lint", text).diagnostics
    assert (said.path, said.start, said.stop, said.message, said.source, said.code) == (
        *("shop/page.py", 2, 3),
        *("unused", "ruff", "F841"),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# A function is renamed", "A function is renamed", "first line is the title"),
        ("- kind: rename\n", "", "'- kind: ...' is missing"),
        ("- kind: rename", "- kind: odd", "kind 'odd' is none of"),
        ("- lane: rule", "- lane: fast", "neither rule nor any"),
        ("Its caller follows.\n", "", "a paragraph"),
        ("## Edit", "## Edits", "section 'Edits' is none of"),
        ("## Alone", "## Next", "section 'Next' is there twice"),
        ("-def total(items):\n", "-def sum(items):\n", "is there 0 times"),
        ("+def price(items):\n", "+def total(items):\n", "changes nothing"),
        ("+def price(items):\n", "def price(items):\n", "starts with a blank, - or \\+"),
        (
            '- `shop/page.py`: `LABEL = "total"`',
            "- `shop/page.py`: `print(total([]))`",
            "is changed by the section 'Next'",
        ),
        ('- `shop/page.py`: `LABEL = "total"`', "- `shop/page.py`: `LABEL`", "no line of shop/page.py is"),
        ('- `shop/page.py`: `LABEL = "total"`', "- `shop/pages.py`", "none of the files"),
        ('- `shop/page.py`: `LABEL = "total"`', "the label", "expected - `path`"),
        ("`shop/page.py`\n```diff", "shop/page.py\n```diff", "expected a path"),
        ("`shop/page.py`\n```diff\n", "`shop/page.py`\n\nsome words\n```diff\n", "a block between ``` is expected"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, message: str) -> None:
    assert old in _CASE
    with pytest.raises(CaseError, match=rf"^bad\.md:\d+: .*{message}"):
        parse("bad", _CASE.replace(old, new))


def test_a_block_without_an_end() -> None:
    with pytest.raises(CaseError, match="has no end"):
        parse("open", _CASE.replace("print(price([]))\n```\n", ""))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="has no cases"):
        edit_cases.read_folder(tmp_path)
