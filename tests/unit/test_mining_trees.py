"""Trees that are parsed from those of other versions are those that would be parsed from nothing."""

from __future__ import annotations

import random
import time

import pytest
import tree_sitter
from commits import exactly

from foretype.context import languages
from foretype.mining import trees
from foretype.mining.blobs import EMPTY, Blob
from foretype.mining.trees import TreeCache

PYTHON = languages.find("python")
assert PYTHON


def nodes(tree: tree_sitter.Tree) -> list[tuple[str, int, int]]:
    found, queue = [], [tree.root_node]
    while queue:
        node = queue.pop()
        found.append((node.type, node.start_byte, node.end_byte))
        queue += node.children
    return found


def parsed(text: str) -> list[tuple[str, int, int]]:
    parser = languages.parser(PYTHON)
    assert parser
    return nodes(parser.parse(text.encode()))


def made_up(rng: random.Random) -> list[str]:
    """Pieces that make a module, in any order."""
    return [
        rng.choice(
            [
                f"def f{n}(a):\n    if a:\n        return {n}\n\n    return a\n",
                f"class C{n}:\n    def g(self):\n        return [\n            {n},\n        ]\n\n    x = {n}\n",
                f"@f\ndef h{n}():\n    'Doc.\n\n    More of it.\n    '\n",
                f"v{n} = {n}\n",
            ]
        )
        for n in range(rng.randint(1, 12))
    ]


def edited(rng: random.Random, pieces: list[str]) -> list[str]:
    pieces = list(pieces)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(pieces)) if pieces else 0
        match rng.randrange(4):
            case 0:
                del pieces[at : at + 1]
            case 1:
                pieces.insert(at, "def new(a):\n    for b in a:\n        yield b\n")
            case 2:
                pieces[at : at + 1] = [piece.replace("return", "yield") for piece in pieces[at : at + 1]]
            case _:
                pieces[at : at + 1] = ["\n" + piece.replace("    ", "  ") for piece in pieces[at : at + 1]]
    return pieces


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("seed", range(60))
def test_a_tree_parsed_from_another_is_as_if_from_nothing(
    seed: int, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "_SHORT_BYTES", 0)
    rng = random.Random(seed)
    versions = [made_up(rng)]
    for _ in range(4):
        versions.append(edited(rng, versions[-1]))
    cache = TreeCache()
    for number in range(len(versions) - 1):
        old, new = ("\n\n".join(versions[at]) for at in (number, number + 1))
        hunks = exactly("a.py", old, new).hunks
        ids = (f"{number}", f"{number + 1}") if told else (f"{number} a", f"{number} b")  # unknown: by the path alone
        blobs = (Blob(old.encode()), Blob(new.encode()))
        found = cache.trees(PYTHON, ("a.py", "a.py"), ids, blobs, hunks)
        assert nodes(found.after) == parsed(new)
        assert (found.before is None) == (not old)
        assert found.before is None or nodes(found.before) == parsed(old)


def test_a_function_that_is_gone_leaves_the_tree_behind_it_as_it_was() -> None:
    functions = [f"def f{at}(a):\n    if a:\n        return {at}\n" for at in range(400)]
    old, new = "\n\n".join(functions), "\n\n".join(functions[:2] + functions[3:])
    file = exactly("a.py", old, new)
    before, after = Blob(old.encode()), Blob(new.encode())
    cache = TreeCache()
    found = cache.trees(PYTHON, ("a.py", "a.py"), ("1", "2"), (before, after), file.hunks)
    assert found.before is not None
    edited_tree = trees._edited(found.before, before, trees._differences(before.data, after.data))
    parser = languages.parser(PYTHON)
    assert parser

    def seconds(*tree: tree_sitter.Tree) -> float:
        began = time.process_time()
        for _ in range(3):
            parser.parse(after.data, *tree)
        return time.process_time() - began

    assert min(seconds(edited_tree) for _ in range(3)) < min(seconds() for _ in range(3)) / 3
    again = cache.trees(PYTHON, ("a.py", "a.py"), ("0" * 40, "2"), (EMPTY, after), file.hunks)
    assert again.after is found.after and again.before is None


def test_differences_are_small_where_little_differs() -> None:
    paragraphs = [b"line %d\nand more of it\n" % at for at in range(300)]
    old = b"\n".join(paragraphs)
    new = b"\n".join([b"first\n", *paragraphs[1:150], b"middle\n", *paragraphs[150:299], b"last\n"])
    edits = trees._differences(old, new)
    assert len(edits) == 3 and sum(edit.end - edit.start for edit in edits) < 200
    grown = sum(edit.new_end - edit.end for edit in edits)
    assert grown == len(new) - len(old)
