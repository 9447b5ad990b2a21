"""What a completion gets to see: the right definitions, windows and edits; nothing twice, and no secrets."""

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from foretype.context.gather import PARTS, Budget, Snippet, gather
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace

FILES = {
    "shop/__init__.py": "from .money import Money\n",
    "shop/money.py": (
        'class Money:\n    """An amount of one currency."""\n\n'
        "    def __init__(self, amount, currency):\n        self.amount = amount\n        self.currency = currency\n\n"
        "    def rounded(self, digits):\n        return Money(round(self.amount, digits), self.currency)\n\n"
        "    def _checked(self):\n        return self\n\n\n"
        'def total(items, currency="EUR"):\n    """The sum of the prices of items."""\n'
        "    found = 0\n    for item in items:\n        found += item.price\n    if not found:\n        return None\n"
        "    return Money(found, currency)\n"
    ),
    "shop/base.py": (
        "class Store:\n    def load(self, key, *, missing=None):\n        raise NotImplementedError\n\n"
        "    def save(self, key, value):\n        raise NotImplementedError\n"
    ),
    "shop/disk.py": (
        "import json\n\n\ndef read_receipt(folder, number):\n"
        '    path = folder / f"receipt-{number}.json"\n    with open(path, encoding="utf-8") as file:\n'
        '        receipt = json.load(file)\n    receipt["folder"] = str(folder)\n    return receipt\n'
    ),
    "shop/keys.py": 'def read_receipt_key(folder):\n    receipt_token = "ghp_'
    + "a1B2c3" * 6
    + '"\n    return receipt_token\n',
    "go/go.mod": "module example.com/cart\n",
    "go/cart.go": "package cart\n\n// Cart holds things.\ntype Cart struct {\n\titems []string\n}\n\n"
    "// Add puts a thing in.\nfunc (c *Cart) Add(thing string, count int) error {\n\treturn nil\n}\n",
}


@dataclass(frozen=True)
class Edit:
    line: int
    column: int
    removed: str
    inserted: str


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    workspace = Workspace.open(tmp_path, None)
    workspace.refresh(children=0)
    yield workspace
    workspace.close()


def tokens(text: str) -> int:
    return max(1, len(text) // 3)


def document(workspace: Workspace, path: str, text: str, language: str = "python") -> Snapshot:
    """An open document, taken up as it is."""
    snapshot = Snapshot(f"file:///{path}", path, language, 1, tuple(split_lines(text)))
    workspace.opened(snapshot)
    workspace.changed(path)
    return snapshot


def at(workspace: Workspace, path: str, text: str, *parts: str, language: str = "python", room: int = 192) -> tuple:
    """The snippets for a new document with the cursor at `|`."""
    before, _, after = text.partition("|")
    snapshot = document(workspace, path, before + after, language)
    line = before.count("\n")
    column = len(before) - before.rfind("\n") - 1
    return gather(workspace, snapshot, line, column, Budget(room), tokens, parts or PARTS)  # type: ignore[arg-type]


def test_nothing_of_a_folder_that_was_deleted_is_given(workspace: Workspace) -> None:
    text = "from shop.money import total\n\n\ndef pay(cart):\n    return total(|)\n"
    assert "shop/money.py" in {one.path for one in at(workspace, "till.py", text)}
    shutil.rmtree(workspace.root / "shop")
    workspace.changed("shop")  # all that an editor tells
    assert not [one for one in at(workspace, "till.py", text) if one.path.startswith("shop/")]
    workspace.changed("go")  # is still there
    assert not workspace.graph.paths_below("shop")
    assert set(workspace.graph.paths_below("go")) == {"go/go.mod", "go/cart.go"}


@pytest.mark.parametrize("rules", [".gitignore", ".foretypeignore", "shop/.gitignore"])
def test_what_comes_to_be_ignored_is_not_given_any_more(workspace: Workspace, rules: str) -> None:
    text = "from shop.money import total\n\n\ndef pay(cart):\n    return total(|)\n"
    assert "shop/money.py" in {one.path for one in at(workspace, "till.py", text)}
    (workspace.root / rules).write_text("money.py\n", "utf-8")
    workspace.changed(rules)
    assert "shop/money.py" not in {one.path for one in at(workspace, "till.py", text)}
    assert workspace.read("shop/money.py") is None
    (workspace.root / rules).unlink()
    workspace.changed(rules)
    assert "shop/money.py" in {one.path for one in at(workspace, "till.py", text)}


def test_a_line_that_is_one_long_word_costs_little(workspace: Workspace) -> None:
    for text in (f'KEY = "{"a1b2c3d4" * 4000}"|\n', f'"""\n{"a1b2c3d4" * 4000}\n"""\n    x = |\n'):
        began = time.process_time()
        at(workspace, "keys_of_tests.py", text)
        assert time.process_time() - began < 1.5


def test_the_signature_of_the_callee_is_nearest_to_the_cursor(workspace: Workspace) -> None:
    found = at(
        workspace, "shop/till.py", "from shop.money import Money, total\n\n\ndef pay(cart):\n    return total(|)\n"
    )
    last = found[-1]
    assert (last.source, last.path, last.start, last.score) == ("symbols", "shop/money.py", 14, 1.0)
    assert last.text == 'def total(items, currency="EUR"):\n    """The sum of the prices of items."""\n'


def test_a_class_that_is_called_shows_how_it_is_made(workspace: Workspace) -> None:
    found = at(workspace, "shop/till.py", "from shop import Money\n\nprice = Money(12, |)\n")
    assert found[-1].text == (
        'class Money:\n    """An amount of one currency."""\n    def __init__(self, amount, currency): ...\n'
    )


@pytest.mark.parametrize(
    "body",
    [
        "price = Money(1, 'EUR')\nprice.|\n",
        "def show(price: Money):\n    return price.|\n",
        "def show(money):\n    return money.ro|\n",
    ],
    ids=["assigned", "annotated", "named alike"],
)
def test_the_members_of_what_stands_before_the_dot(workspace: Workspace, body: str) -> None:
    found = at(workspace, "shop/till.py", f"from shop.money import Money\n\n\n{body}", "symbols")
    assert found[-1].path == "shop/money.py"
    assert "    def rounded(self, digits): ...\n" in found[-1].text


def test_an_attribute_of_self_has_the_class_it_was_given(workspace: Workspace) -> None:
    text = (
        "from shop.money import Money\n\n\nclass Till:\n    def __init__(self):\n        self.cash = Money(0, 'EUR')\n"
    )
    found = at(workspace, "shop/till.py", text + "\n    def show(self):\n        return self.cash.rou|\n")
    assert "def rounded(self, digits)" in found[-1].text
    assert "_checked" not in found[-1].text


def test_self_has_the_members_that_the_prompt_does_not_show(workspace: Workspace) -> None:
    far = "\n".join(f"    def step_{number}(self):\n        return {number}\n" for number in range(60))
    text = f"class Machine:\n    def start_engine(self, gear):\n        pass\n\n{far}\n    def run(self):\n"
    last = at(workspace, "machine.py", text + "        self.st|\n", "symbols")[-1]
    assert (last.path, last.score) == ("machine.py", 0.95)
    assert "    def start_engine(self, gear): ...\n" in last.text
    assert "step_59" not in last.text


def test_the_overridden_method_of_a_base_class(workspace: Workspace) -> None:
    text = "from shop import base\n\n\nclass Disk(base.Store):\n    def load(self, key|\n"
    found = at(workspace, "shop/store.py", text, "symbols")
    assert found[-1].text == "class Store:\n    def load(self, key, *, missing=None): ...\n"


def test_what_is_defined_by_itself_leads_nowhere(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    document(workspace, "shop/loop.py", "app = app.current\nfirst = second.x\nsecond = first.x\n")
    for name in ("app", "first"):
        at(workspace, "shop/till.py", f"from shop.loop import {name}\n\n{name}.run.|\n", "symbols")
    assert not caplog.records


def test_an_import_that_is_not_used_yet(workspace: Workspace) -> None:
    found = at(workspace, "shop/till.py", "from shop.money import total\n\n\ndef pay(cart):\n    |\n", "symbols")
    assert [one.text.partition("\n")[0] for one in found] == ['def total(items, currency="EUR"): ...']


def test_another_language(workspace: Workspace) -> None:
    text = "package cart\n\nfunc fill() {\n\tc := Cart{}\n\tc.Add(|)\n}\n"
    last = at(workspace, "go/fill.go", text, "symbols", language="go")[-1]
    assert "func (c *Cart) Add(thing string, count int) error { ... }" in last.text


def test_windows_like_the_lines_at_the_cursor(workspace: Workspace) -> None:
    text = "import json\n\n\ndef write_receipt(folder, number, receipt):\n    path = folder / |\n"
    found = at(workspace, "shop/write.py", text, "similar")
    assert found[-1].path == "shop/disk.py"
    assert 'f"receipt-{number}.json"' in found[-1].text


def test_secrets_stay_where_they_are(workspace: Workspace) -> None:
    text = "def read_receipt_token(folder):\n    receipt_token = |\n"
    assert workspace.similar.search(split_lines(text), workspace.read, limit=9)[0].path == "shop/keys.py"
    found = at(workspace, "shop/write.py", text)
    assert found
    assert not any("ghp_" in one.text for one in found)


def test_a_short_function_with_a_secret_is_not_shown(workspace: Workspace) -> None:
    found = at(workspace, "main.py", "from shop.keys import read_receipt_key\n\nkey = read_receipt_key(|)\n", "symbols")
    assert found == ()


def test_no_piece_of_a_long_key_is_shown(workspace: Workspace) -> None:
    body = "".join(f"canvas{number}Brush{number}\n" for number in range(40))
    document(
        workspace, "brush.py", f'KEY = """-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----"""\n'
    )
    text = "canvas20Brush20\ncanvas21Brush21\ncanvas22Brush22\n|\n"
    assert workspace.similar.search(split_lines(text), workspace.read, limit=1)[0].start > 0
    assert at(workspace, "paint.py", text) == ()


def test_recent_edits_of_other_files_and_not_what_the_prompt_shows(workspace: Workspace) -> None:
    before = document(workspace, "shop/base.py", FILES["shop/base.py"])
    workspace.edited(before, [Edit(1, 8, "load", "fetch")], 1.0)
    here = document(workspace, "main.py", "store = None\n\n")
    workspace.edited(here, [Edit(1, 0, "", "store.")], 5.0)
    found = at(workspace, "main.py", "store = None\nstore.|\n", "edits")
    assert [(one.path, one.source) for one in found] == [("shop/base.py", "edits")]
    assert "-    def load(self, key, *, missing=None):\n+    def fetch(self, key, *, missing=None):\n" in found[0].text


def test_edits_of_files_that_may_not_be_read_are_not_shown(workspace: Workspace) -> None:
    hidden = document(workspace, ".env", "NAME=old\n")
    workspace.edited(hidden, [Edit(0, 5, "old", "new")], 1.0)
    assert at(workspace, "main.py", "name = |\n") == ()


@pytest.mark.parametrize("room", [0, 10, 30, 60, 400])
def test_the_budget_holds(workspace: Workspace, room: int) -> None:
    text = "from shop.money import Money, total\n\n\ndef read(folder, number):\n    receipt = Money(total(|))\n"
    found = at(workspace, "shop/till.py", text, room=room)
    assert sum(one.tokens for one in found) <= room
    assert all(one.tokens == tokens(one.text) for one in found)
    assert bool(found) == (room >= 30)


def test_nothing_that_the_prompt_has_is_said_again(workspace: Workspace) -> None:
    text = FILES["shop/disk.py"] + "\n\ndef again(folder):\n    return read_receipt(|)\n"
    found = at(workspace, "shop/copy.py", text)
    assert not any("receipt-{number}" in one.text or "def read_receipt(" in one.text for one in found)


def test_a_definition_in_the_prompt_is_not_needed_however_it_is_written(workspace: Workspace) -> None:
    text = "def pay(\n    cart,\n    *,\n    tip=0,\n):\n    return cart + tip\n\n\nprint(pay(|))\n"
    assert at(workspace, "main.py", text, "symbols") == ()


def test_every_key_of_a_word_has_the_same_answer(workspace: Workspace) -> None:
    start = "from shop.money import Money, total\n\n\ndef read_receipt(folder, number):\n    path = "
    first = at(workspace, "shop/till.py", start + "|\n")
    assert {one.source for one in first} == {"symbols", "similar"}
    for typed in ("f", "fol", "folder"):
        again = at(workspace, "shop/till.py", f"{start}{typed}|\n")
        assert [one.text for one in again] == [one.text for one in first]


def test_what_breaks_is_left_out(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    text = "import json\n\n\ndef write_receipt(folder, number, receipt):\n    path = folder / |\n"
    workspace.graph.outline = workspace.graph.imports = broken  # type: ignore[method-assign, assignment]
    found = at(workspace, "shop/write.py", text)
    assert {one.source for one in found} == {"similar"}
    assert "no symbols in the context: RuntimeError" in caplog.text
    snapshot = document(workspace, "a.py", "x\n")
    assert gather(workspace, snapshot, 99, 0, Budget(), tokens) == ()
    assert gather(workspace, snapshot, 0, 0, Budget(), broken) == ()  # type: ignore[arg-type]


def test_open_text_goes_before_the_file_and_gives_way_when_closed(workspace: Workspace, tmp_path: Path) -> None:
    ask = "from shop.money import total\n\nx = total(|)\n"
    document(workspace, "shop/money.py", FILES["shop/money.py"].replace("items, currency", "things, currency"))
    assert "def total(things, " in at(workspace, "shop/till.py", ask)[-1].text
    workspace.refresh(children=0)
    assert "def total(things, " in at(workspace, "shop/till.py", ask)[-1].text
    workspace.closed("file:///shop/money.py")
    workspace.changed("shop/money.py")
    assert "def total(items, " in at(workspace, "shop/till.py", ask)[-1].text
    (tmp_path / "shop/money.py").unlink()
    workspace.refresh(children=0)
    assert not any(one.path == "shop/money.py" for one in at(workspace, "shop/till.py", ask))


def test_gathering_while_another_thread_refreshes(workspace: Workspace, tmp_path: Path) -> None:
    snapshot = document(workspace, "shop/till.py", "from shop.money import total\n\nx = total()\n")
    answers: list[tuple[Snippet, ...]] = []
    done = threading.Event()

    def refresh() -> None:
        for number in range(20):
            (tmp_path / f"more_{number}.py").write_text(FILES["shop/disk.py"] + f"\n\nNUMBER = {number}\n", "utf-8")
            workspace.refresh(children=0)
        done.set()

    thread = threading.Thread(target=refresh)
    thread.start()
    while not done.is_set() or not answers:
        answers.append(gather(workspace, snapshot, 2, 10, Budget(), tokens))
        if not thread.is_alive():
            break
    thread.join()
    assert done.is_set()
    assert all(answer[-1].text.startswith("def total(items") for answer in answers)
