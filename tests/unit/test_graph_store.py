"""The symbol graph: what it answers, that it stays true to the files, and that nothing breaks it for good."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretype.context import command
from foretype.context.graph import Graph
from foretype.context.guard import Guard
from foretype.context.index import indexing, symbol_rows
from foretype.context.index.indexing import Stats

SHOP = {
    "shop/__init__.py": "from .cart import Cart\nfrom .money import *\n",
    "shop/cart.py": (
        "from shop.money import Money as Cash, total\n\n\n"
        'class Cart:\n    """Things to buy."""\n\n    limit = 3\n\n'
        "    def add(self, item):\n        self.sum = total([item])\n        return Cash(self.sum)\n\n"
        "    def clear(self):\n        self.items = []\n"
    ),
    "shop/money.py": "class Money:\n    pass\n\n\ndef total(items):\n    return sum(items)\n",
    "main.py": (
        "from shop import Cart, Money\nimport shop.cart as basket\n\n\ndef run():\n    return Cart().add(Money())\n"
    ),
    "other/money.py": "def total():\n    return 0\n",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\ndef total():\n    return Cart()\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop work ü", SHOP)


@pytest.fixture
def graph(shop: Path, tmp_path: Path) -> Iterator[Graph]:
    graph = Graph.open(shop, tmp_path / "cache")
    graph.refresh(Guard(shop), children=0)
    yield graph
    graph.close()


def write(root: Path, files: dict[str, str]) -> Path:
    """The files, last changed a minute ago, so that their times of change are trusted."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, "utf-8")
        settle(root / path, 60)
    return root


def settle(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def places(found: tuple) -> list[str]:
    return [f"{row.path}:{row.container + '.' if row.container else ''}{row.name}" for row in found]


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are parsed from now on."""
    seen: list[str] = []
    rows = symbol_rows.rows
    monkeypatch.setattr(symbol_rows, "rows", lambda path, source: seen.append(path) or rows(path, source))
    return seen


def test_definitions_come_by_what_the_name_is_bound_to(graph: Graph) -> None:
    assert places(graph.definitions("total", "shop/money.py"))[0] == "shop/money.py:total"
    assert places(graph.definitions("total", "shop/cart.py"))[0] == "shop/money.py:total"
    assert places(graph.definitions("total", "tests/test_cart.py"))[0] == "tests/test_cart.py:total"
    assert places(graph.definitions("total", "other/more.py")) == [
        "other/money.py:total",  # the same folder
        "shop/money.py:total",
        "tests/test_cart.py:total",  # tests last
    ]
    assert places(graph.definitions("total", "shop/cart.py", limit=2)) == [
        "shop/money.py:total",
        "other/money.py:total",
    ]
    assert graph.definitions("nowhere", "main.py") == ()


def test_names_are_followed_through_aliases_and_packages(graph: Graph) -> None:
    assert places(graph.bound("Cash", "shop/cart.py")) == ["shop/money.py:Money"]
    assert places(graph.bound("Cart", "main.py")) == ["shop/cart.py:Cart"]  # shop/__init__.py exports it again
    assert places(graph.bound("Money", "main.py")) == ["shop/money.py:Money"]  # through a star
    assert [(row.kind, row.path) for row in graph.bound("basket", "main.py")] == [("module", "shop/cart.py")]
    assert graph.bound("run", "shop/cart.py") == ()


def test_references_and_callers(graph: Graph) -> None:
    found = graph.references("total", "shop/cart.py")
    assert ("shop/cart.py", 9, "Cart.add") in {(row.path, row.line, row.enclosing) for row in found}
    total = graph.bound("total", "shop/money.py")[0]
    assert places(graph.callers(total)) == ["shop/cart.py:Cart.add"]
    cart = graph.bound("Cart", "shop/cart.py")[0]
    callers = places(graph.callers(cart))
    assert callers == ["main.py:run", "tests/test_cart.py:total"]
    add = graph.definitions("add")[0]
    assert places(graph.callers(add)) == ["main.py:run"]
    assert len(graph.callers(cart, limit=1)) == 1


def test_members_outline_and_neighbours(graph: Graph) -> None:
    cart = graph.bound("Cart", "shop/cart.py")[0]
    assert (cart.signature, cart.doc) == ("class Cart", "Things to buy.")
    members = places(graph.members(cart))
    assert {"shop/cart.py:Cart.add", "shop/cart.py:Cart.clear", "shop/cart.py:Cart.limit"} <= set(members)
    assert {row.name for row in graph.outline("shop/money.py")} == {"Money", "total"}
    near = graph.neighbours("shop/cart.py")
    assert near.imports == ("shop/money.py",)
    assert set(near.importers) == {"shop/__init__.py", "main.py", "tests/test_cart.py"}
    assert near.importers[-1] == "tests/test_cart.py"
    assert "main.py" in graph.neighbours("shop/__init__.py").importers


def test_a_tree_of_git_is_indexed_as_a_folder_is(graph: Graph) -> None:
    tree = Graph.open("", None)
    stats = tree.index(((path, text.encode()) for path, text in SHOP.items()), children=0)
    assert (stats.files, stats.changed) == (6, 6)
    for path in SHOP:
        assert tree.outline(path) == graph.outline(path) and tree.neighbours(path) == graph.neighbours(path)
    assert tree.references("Cart") == graph.references("Cart")
    stats = tree.index([("main.py", SHOP["main.py"].encode())], children=0)
    assert (stats.files, stats.changed) == (1, 5)


def test_a_refresh_parses_what_changed_and_nothing_else(
    graph: Graph, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = parsed(monkeypatch)
    before = graph.refresh(Guard(shop))
    assert (seen, before.changed, before.files) == ([], 0, 6)

    settle(shop / "main.py", 30)  # touched
    assert graph.refresh(Guard(shop)).changed == 0 and seen == []

    write(shop, {"main.py": "def walk():\n    pass\n"})
    assert graph.refresh(Guard(shop)).changed == 1 and seen == ["main.py"]
    assert places(graph.definitions("walk")) == ["main.py:walk"] and graph.definitions("run") == ()
    assert graph.references("add") == ()

    (shop / "shop/money.py").rename(shop / "shop/coin.py")
    assert graph.refresh(Guard(shop)).changed == 2
    assert places(graph.definitions("Money")) == ["shop/coin.py:Money"]
    assert graph.neighbours("shop/cart.py").imports == ()  # it imports a file that is no more
    write(shop, {"shop/money.py": SHOP["shop/money.py"]})
    graph.refresh(Guard(shop))
    assert graph.neighbours("shop/cart.py").imports == ("shop/money.py",)


def test_a_change_within_the_grain_of_the_clock_is_seen(graph: Graph, shop: Path) -> None:
    file = shop / "main.py"
    file.write_text("aa = 1\n")
    status = file.stat()
    graph.refresh(Guard(shop))
    file.write_text("bb = 2\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert graph.refresh(Guard(shop)).changed == 1
    assert graph.definitions("bb") and not graph.definitions("aa")


def test_one_file_is_updated_from_memory(graph: Graph, shop: Path) -> None:
    source = b"def unsaved():\n    pass\n"
    assert graph.update("main.py", source) and not graph.update("main.py", source)
    assert places(graph.definitions("unsaved")) == ["main.py:unsaved"]
    assert graph.update("main.py", None) and not graph.update("main.py", None)
    assert graph.definitions("unsaved") == () and "main.py" not in graph.paths()
    assert not graph.update("notes.unknown", b"x")
    graph.refresh(Guard(shop))
    assert places(graph.definitions("run")) == ["main.py:run"]


def test_it_is_kept_on_disk_and_answers_from_there(graph: Graph, shop: Path, tmp_path: Path) -> None:
    other = Graph.open(shop, tmp_path / "cache")
    assert places(other.bound("Cart", "main.py")) == ["shop/cart.py:Cart"]
    graph.update("new.py", b"def fresh():\n    pass\n")
    assert places(other.definitions("fresh")) == ["new.py:fresh"] and "new.py" in other.paths()
    assert Graph.open(tmp_path, tmp_path / "cache").paths() == frozenset()  # another workspace
    assert not (graph.problem or other.problem)


def test_children_give_the_same_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_BATCH_BYTES", 4096)
    text = "".join(f"class C{at}:\n    def m(self):\n        return C{at}\n" for at in range(40))
    root = write(tmp_path / "work", {f"p{at}/m{at}.py": text.replace("C1", f"D{at}_") for at in range(12)})
    alone, together = Graph.open("", None), Graph.open("", None)
    told: list[int] = []
    one = alone.refresh(Guard(root), children=0)
    two = together.refresh(Guard(root), lambda stage, done, total: told.append(total - done), children=2)
    assert two.changed == one.changed == 12 and (two.symbols, two.references) == (one.symbols, one.references)
    assert together.outline("p7/m7.py") == alone.outline("p7/m7.py") != ()
    assert together.references("C2") == alone.references("C2")
    assert told[-1] == 0 and told == sorted(told, reverse=True)


def spoil(path: Path, start: int = 0) -> None:
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(os.urandom(max(4096, path.stat().st_size - start)))


def database_file(graph: Graph) -> Path:
    path = graph._database.path
    assert path is not None
    return path


def test_a_damaged_file_is_built_again(graph: Graph, shop: Path, tmp_path: Path) -> None:
    path = database_file(graph)
    graph.close()
    spoil(path)
    again = Graph.open(shop, tmp_path / "cache")
    assert "damaged" in again.problem and again.definitions("Cart") == ()
    assert again.refresh(Guard(shop)).changed == 6
    assert again.definitions("Cart") and database_file(again) == path
    again.close()


def test_damage_that_shows_later_costs_one_answer(graph: Graph, shop: Path, tmp_path: Path) -> None:
    path = database_file(graph)
    graph.close()
    spoil(path, 4096)  # the header and the schema's page are whole
    again = Graph.open(shop, tmp_path / "cache")
    assert again.definitions("Cart") == () and again.references("Cart") == ()
    again.refresh(Guard(shop))
    again.refresh(Guard(shop))
    assert places(again.bound("Cart", "main.py")) == ["shop/cart.py:Cart"] and "damaged" in again.problem
    again.close()


def test_another_version_has_its_own_file(
    graph: Graph, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretype.context.index.symbol_rows.edition", lambda: "other")
    other = Graph.open(shop, tmp_path / "cache")
    assert other.paths() == frozenset() and not other.problem
    old = database_file(graph)
    graph.close()
    settle(old, 40 * 86_400)
    Graph.open(shop, tmp_path / "cache").close()
    assert not old.exists() and database_file(other).exists()


def test_where_nothing_can_be_written_it_is_kept_in_memory(
    shop: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "no folder").touch()
    graph = Graph.open(shop, tmp_path / "no folder")
    assert graph.refresh(Guard(shop)).files == 6 and graph.definitions("Cart")
    assert "kept in memory" in graph.problem and len(caplog.records) == 1


def test_a_disk_that_fills_up_leaves_it_in_memory(shop: Path, tmp_path: Path) -> None:
    graph = Graph.open(shop, tmp_path / "cache")
    with graph._database.write() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    graph._database._writer.execute(f"PRAGMA max_page_count = {pages}")
    write(shop, {"large.py": "".join(f"def long_name_{at}(): pass\n" for at in range(3000))})
    assert graph.refresh(Guard(shop)).files == 7
    assert "full" in graph.problem and graph.definitions("long_name_7") and graph._database.path is None


def test_two_processes_on_one_workspace(shop: Path, tmp_path: Path) -> None:
    write(shop, {f"more/m{at}.py": f"def f{at}():\n    return total({at})\n" for at in range(150)})
    program = (
        "import sys; from pathlib import Path; from foretype.context.graph import Graph; "
        "from foretype.context.guard import Guard; g = Graph.open(sys.argv[1], Path(sys.argv[2])); "
        "s = g.refresh(Guard(sys.argv[1]), children=0); print(s.files, s.symbols, s.references, g.problem)"
    )
    line = [sys.executable, "-c", program, str(shop), str(tmp_path / "cache")]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate(timeout=60)[0].strip() for process in both)
    assert first == second and first.startswith("156 ")
    graph = Graph.open(shop, tmp_path / "cache")
    assert graph.refresh(Guard(shop)).changed == 0
    graph.close()


def test_a_name_defined_thousands_of_times_is_bounded() -> None:
    graph = Graph.open("", None)
    body = "".join(f"class K{at}:\n    def run(self):\n        return run()\n" for at in range(50))
    graph.index(((f"d{at}/m.py", body.encode()) for at in range(100)), children=0)
    started = time.perf_counter()
    assert len(graph.definitions("run", "d7/m.py")) == 20
    assert graph.definitions("run", "d7/m.py")[0].path == "d7/m.py"
    assert len(graph.references("run", "d7/m.py")) == 200 and len(graph.callers(graph.definitions("run")[0])) == 50
    assert time.perf_counter() - started < 2  # some ms; it must not grow with the workspace


def test_go_modules_are_known_by_their_go_mod() -> None:
    graph = Graph.open("", None)
    files = {
        "go.mod": "module example.com/app // the app\n\ngo 1.22\n",
        "main.go": 'package main\n\nimport "example.com/app/store"\n\nfunc main() { store.Open() }\n',
        "store/store.go": "package store\n\ntype DB struct{}\n\nfunc Open() *DB { return helper() }\n",
        "store/more.go": "package store\n\nfunc helper() *DB { return nil }\n\nfunc (db *DB) Close() {}\n",
    }
    pairs = {path: text.encode() for path, text in files.items()}
    graph.index(pairs.items(), children=0)
    assert [row.name for row in graph.outline("go.mod")] == ["example.com/app"]
    assert set(graph.neighbours("main.go").imports) == {"store/store.go", "store/more.go"}
    assert graph.neighbours("store/more.go").importers == ("main.go",)
    assert places(graph.callers(graph.definitions("Open")[0])) == ["main.go:main"]
    assert places(graph.callers(graph.definitions("helper")[0])) == ["store/store.go:Open"]  # the same package
    assert "Close" in {row.name for row in graph.members(graph.definitions("DB", "store/store.go")[0])}
    graph.update("go.mod", b"module example.com/other\n")
    assert graph.neighbours("main.go").imports == ()


def test_cyclic_imports_end() -> None:
    graph = Graph.open("", None)
    files = {"a.py": b"from b import *\nfrom b import x\n", "b.py": b"from a import *\nfrom a import x\n"}
    graph.index(files.items(), children=0)
    assert graph.bound("x", "a.py") == () and graph.bound("y", "b.py") == ()
    assert graph.neighbours("a.py").imports == graph.neighbours("a.py").importers == ("b.py",)


def test_bad_files_do_no_harm(shop: Path) -> None:
    (shop / "latin.py").write_bytes("def café():\n    pass\n".encode("latin-1"))
    (shop / "utf16.py").write_bytes("def wide(): pass\n".encode("utf-16"))
    (shop / "broken.py").write_text("def half(a,\nclass ((\n  def whole(): pass\n")
    (shop / "empty.py").touch()
    guard = Guard(shop)
    graph = Graph.open("", None)

    class Gone(Guard):
        def files(self, wanted=lambda path: True):
            for path, status in super().files(wanted):
                yield path, status
                yield path.replace(".py", "_gone.py"), status

    stats = graph.refresh(Gone(shop))
    assert isinstance(stats, Stats) and stats.files == 9  # all but the one in UTF-16
    assert "utf16.py" not in graph.paths() and "main_gone.py" not in graph.paths()
    assert graph.refresh(guard).changed == 0


def test_secrets_are_not_stored(graph: Graph, shop: Path) -> None:
    value = "q8Zr2LxV" + "w7NcT4mKd9Yp"
    write(shop, {"config.py": f'API_TOKEN = "{value}"\n\n\ndef connect(password="{value}"):\n    pass\n'})
    graph.refresh(Guard(shop))
    assert "<secret>" in graph.definitions("connect")[0].signature
    stored = [str(row) for table in ("definitions", "uses") for row in graph._database.read(f"SELECT * FROM {table}")]
    assert len(stored) > 10 and not any(value in row for row in stored)


def test_the_command_prints_figures(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # a process of its own: this one's peak is that of all tests before
    argv = [sys.executable, "-m", "foretype", "index", str(shop), "--json"]
    environment = os.environ | {"FORETYPE_CACHE": str(tmp_path / "cache")}
    run = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment, timeout=60)
    figures = json.loads(run.stdout)
    assert (figures["files"], figures["changed"]) == (6, 6) and figures["symbols"] >= 9 and figures["references"] > 0
    assert figures["seconds"] >= 0 and 10 < figures["peak_rss_mib"] < 600
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args([str(shop)])) == 0
    assert "6 files" in capsys.readouterr().out
    assert command.run(parser.parse_args([str(shop / "main.py")])) == 2
    assert "no folder" in capsys.readouterr().err
