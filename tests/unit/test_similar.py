"""Similar snippets: where files are cut, what is found, what never is, and the index against one built anew."""

import sys
import threading
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from foretype.context import similar
from foretype.context.similar import SimilarIndex, windows, words_in
from foretype.context.text import split_lines

CIRCLE = """def draw_circle(canvas, radius):
    canvas.setColour(PALETTE["rim"])
    canvas.arc(radius)
    canvas.flushPending()
"""
INVOICE = """def send_invoice(customer, amount):
    letter = Letter(customer.address)
    letter.append_total(amount)
    return postOffice.dispatch(letter)
"""
AROUND = split_lines("canvas.setColour(PALETTE[name])\ncanvas.ellipse(radius, width)\n")


def index_of(files: dict[str, str]) -> SimilarIndex:
    index = SimilarIndex()
    for path, text in files.items():
        index.update(path, split_lines(text))
    return index


def search(index: SimilarIndex, files: dict[str, str], around=AROUND, **rest) -> list[str]:
    def read(path: str) -> list[str] | None:
        return split_lines(files[path]) if path in files else None

    return [snippet.path for snippet in index.search(around, read, **({"limit": 5} | rest))]


def test_words() -> None:
    assert words_in("HTTPServer._parse_url2(x1)") == {"HTTPServer", "http", "server", "_parse_url2", "parse", "url"}
    assert words_in("größeÄndern = 'naïve café'") == {"größeÄndern", "größe", "ändern", "naïve", "café"}
    assert words_in("0x1F + 3.14 == {}") == set()


def test_finds_the_window_with_the_rare_words() -> None:
    files = {"circle.py": CIRCLE, "invoice.py": INVOICE, "notes.txt": "the canvas is blue\n"}
    index = index_of(files)
    found = index.search(AROUND, lambda path: split_lines(files[path]), limit=5)
    assert [(s.path, s.start, s.stop) for s in found] == [("circle.py", 0, 4), ("notes.txt", 0, 1)]
    assert found[0].text == CIRCLE
    assert found[0].score > found[1].score > 0


def test_boosts_reorder_and_leave_out() -> None:
    files = {"circle.py": CIRCLE, "notes.txt": "the canvas is blue\n"}
    index = index_of(files)
    assert search(index, files, boosts={"notes.txt": 50.0, "unknown.py": 9.0}) == ["notes.txt", "circle.py"]
    assert search(index, files, boosts={"circle.py": 0.0}) == ["notes.txt"]


def test_what_the_prompt_has_is_not_found() -> None:
    files = {"circle.py": CIRCLE, "copy.py": "# a copy\n" + CIRCLE}
    index = index_of(files)
    assert search(index, files, shown={"circle.py": [(3, 9)]}) == ["copy.py"]
    assert search(index, files, shown={"circle.py": [(4, 9)]}, limit=1) == ["circle.py"]
    assert search(index, files, prompt="\n".join(line + "  " for line in CIRCLE.splitlines())) == []


def test_near_duplicates_are_found_once() -> None:
    files = {f"circle{n}.py": CIRCLE.replace("rim", f"rim{n}") for n in range(4)} | {
        "notes.txt": "the canvas is blue\n"
    }
    assert search(index_of(files), files) == ["circle0.py", "notes.txt"]


def test_text_that_changed_since_is_never_stale() -> None:
    files = {"circle.py": CIRCLE, "notes.txt": "the canvas is blue\n"}
    index = index_of(files)
    files["circle.py"] = "\n" + CIRCLE
    assert search(index, files) == ["notes.txt"]
    del files["notes.txt"]
    assert search(index, files) == []
    index.update("circle.py", split_lines(files["circle.py"]))
    assert search(index, files) == ["circle.py"]


def test_update_and_remove_leave_nothing_behind() -> None:
    index = index_of({"a.py": CIRCLE})
    index.update("a.py", split_lines(INVOICE))
    assert search(index, {"a.py": INVOICE}) == []
    assert search(index, {"a.py": INVOICE}, around=["letter dispatch"]) == ["a.py"]
    index.remove("a.py")
    index.remove("a.py")
    assert len(index) == 0
    assert not index._postings


@pytest.mark.parametrize("around", [[], [""], ["12 + {}"], ["words nobody_has"]])
def test_nothing_to_look_for(around: list[str]) -> None:
    assert search(index_of({"a.py": CIRCLE}), {"a.py": CIRCLE}, around=around) == []
    assert search(SimilarIndex(), {}, around=around) == []


def test_nothing_asked_for() -> None:
    assert search(index_of({"a.py": CIRCLE}), {"a.py": CIRCLE}, limit=0) == []


def test_windows_begin_where_blocks_do() -> None:
    method = "    def run(self):\n" + "        step()\n" * 6 + "\n"
    lines = split_lines("class A:\n" + method * 5 + "\n\nclass B:\n" + method)
    assert windows(lines) == [(0, 16), (17, 32), (33, 51)]
    braces = split_lines("void f() {\n" + "  a();\n" * 11 + "}\n\nvoid g() {\n" + "  b();\n" * 30 + "}\n")
    assert windows(braces)[:2] == [(0, 13), (14, 34)]


def test_a_window_too_wide_is_data() -> None:
    assert windows(["x = '" + "0" * 5000 + "'\n", ""]) == []
    assert windows([]) == windows([""]) == windows(["\n", "  \n", ""]) == []


TEXT = st.lists(st.sampled_from(["if a:\n", "  b()\n", "\n", "}\n", "\tc = d\n", "else:\n", "x\n"]), max_size=120)


@given(TEXT)
def test_windows_hold_every_line_once(lines: list[str]) -> None:
    covered = [line for start, stop in windows(lines) for line in range(start, stop)]
    assert covered == sorted(set(covered))
    assert {n for n, line in enumerate(lines) if line.strip()} <= set(covered)
    assert all(0 < stop - start <= 20 for start, stop in windows(lines))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pqr"), TEXT), min_size=1, max_size=12))
def test_an_index_that_was_updated_is_one_built_anew(steps: list[tuple[str, list[str]]]) -> None:
    index, files = SimilarIndex(), {}
    for path, lines in steps:
        index.update(path, lines) if lines else index.remove(path)
        files[path] = lines
    fresh = SimilarIndex()
    for path, lines in files.items():
        fresh.update(path, lines)
    around = ["if a b c"]
    wanted = dict.fromkeys("pqr", 1.0)
    left, right = (one.search(around, files.get, limit=9, boosts=wanted) for one in (index, fresh))
    assert [(s.path, s.start, s.stop) for s in left] == [(s.path, s.start, s.stop) for s in right]
    assert [s.score for s in left] == pytest.approx([s.score for s in right])
    assert len(index) == len(fresh)
    assert all(list(numbers) == sorted(set(numbers)) for numbers in index._postings.values())
    assert {word: len(numbers) for word, numbers in index._postings.items()} == {
        word: len(numbers) for word, numbers in fresh._postings.items()
    }


def test_only_windows_that_changed_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = split_lines("".join(f"def name_{n}():\n" + f"    word_{n}()\n" * 12 + "\n" for n in range(200)))
    index = SimilarIndex()
    index.update("a.py", lines)
    read: list[str] = []
    monkeypatch.setattr(similar, "words_in", lambda text: read.append(text) or words_in(text))
    lines[1000] = "    changed()\n"
    index.update("a.py", ["# one more line above\n", "\n", *lines])
    assert sum(text.count("\n") for text in read) < 60
    assert len(index) == len(windows(["# one more line above\n", "\n", *lines]))


def test_searched_while_it_is_updated() -> None:
    files = {f"{n}.py": CIRCLE.replace("rim", f"rim{n}") * 5 for n in range(30)}
    index, done, failed = index_of(files), threading.Event(), []

    def update() -> None:
        try:
            for n in range(300):
                index.update(f"{n % 30}.py", split_lines(files[f"{n % 30}.py"] + f"x{n}\n" * (n % 7)))
        except Exception as error:
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=update)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        while not done.is_set():
            search(index, files)
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failed


def test_a_large_workspace_is_searched_in_milliseconds() -> None:
    index, lines = SimilarIndex(), split_lines(CIRCLE * 5)
    for n in range(1500):
        index.update(f"{n}.py", [line.replace("canvas", f"canvas_{n % 50}") for line in lines])
    best = min(timed(lambda: index.search(AROUND, lambda path: None, limit=5)) for _ in range(5))
    assert best < 0.02


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
