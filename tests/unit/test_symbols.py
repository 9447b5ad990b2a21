"""Definitions, references and imports of one file, in all languages: `tests/golden/symbols/` has a source of each."""

import os
from pathlib import Path

import pytest

from foretype.context import languages
from foretype.context.index import captures, symbol_rows
from foretype.context.symbols import FileSymbols, extract

GOLDEN = Path(__file__).parents[1] / "golden" / "symbols"
SOURCES = sorted(path for path in GOLDEN.iterdir() if path.suffix != ".txt")


def symbols(source: str, path: str = "a.py") -> FileSymbols:
    language = languages.find("", path)
    assert language is not None
    return extract(path, source.encode(), language)


def shown(found: FileSymbols) -> str:
    """The symbols as text: kind, container, name, lines and signature; names used by what; imports."""
    lines = [
        f"{item.line + 1}-{item.end_line + 1} {item.kind} {item.container}|{item.name}: {item.signature}"
        + (f"  # {item.doc}" if item.doc else "")
        for item in found.definitions
    ]
    used: dict[str, list[str]] = {}
    for reference in found.references:
        used.setdefault(reference.enclosing, []).append(reference.name)
    lines += ["", *(f"{scope or '(top)'} uses {' '.join(names)}" for scope, names in used.items()), ""]
    lines += [f"{item.line + 1} import {item.module} | {item.name} | {item.alias}" for item in found.imports]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_golden(source: Path) -> None:
    golden = source.with_suffix(".txt")
    found = shown(symbols(source.read_text("utf-8"), source.name))
    if os.environ.get("FORETYPE_UPDATE_GOLDEN"):
        golden.write_text(found, "utf-8", newline="\n")
    assert found == golden.read_text("utf-8")


def test_every_language_with_a_grammar_has_queries_that_compile() -> None:
    assert [row.name for row in languages.LANGUAGES if row.grammar and captures.query(row) is None] == []


def test_offsets_and_lines_are_of_the_bytes() -> None:
    source = 'é = "ü"\n\nclass Größe:\n    def f(self):\n        return é\n'
    found = symbols(source)
    data = source.encode()
    assert [(item.name, item.line, item.end_line) for item in found.definitions] == [
        ("é", 0, 0),
        ("Größe", 2, 4),
        ("f", 3, 4),
    ]
    assert data[found.definitions[2].start : found.definitions[2].end].decode() == "def f(self):\n        return é"
    (use,) = found.references
    assert (use.name, use.line, use.enclosing) == ("é", 4, "Größe.f")
    assert data[use.start :].startswith("é".encode())


def test_decorators_belong_to_what_they_decorate_alone() -> None:
    found = symbols("@a\nclass A:\n    def f(self):\n        pass\n")
    assert [(item.name, item.line, item.end_line) for item in found.definitions] == [("A", 0, 3), ("f", 2, 3)]


def test_references_are_a_sequence_and_columns() -> None:
    found = symbols("a(b)\na.b(c)\n").references
    assert len(found) == 5 and found[-1] == list(found)[-1] and found[:2] == tuple(found)[:2]
    rows = symbol_rows.rows("source.py", b"a(b)\na.b(c)\n")
    by_name = {name: symbol_rows.places_of(number, rows.places) for number, name in enumerate(rows.uses)}
    assert by_name == {"a": [(0, 0, -1), (1, 5, -1)], "b": [(0, 2, -1), (1, 7, -1)], "c": [(1, 9, -1)]}


@pytest.mark.parametrize(
    ("body", "used"),
    [
        ("def f(a): return a + b", ["b"]),
        ("def f(a): return x.a", ["x", "a"]),  # an attribute is not the parameter
        ("def f():\n def g(): return a\n a = 1", []),  # bound by the function around
        ("[a for a in b]", ["a", "a", "b"]),  # no function that binds it
        ("def f():\n for a, c in b: a", ["b"]),
        ("class A:\n a = 1\n def f(self): return a", ["a"]),  # a class encloses no names of its methods
    ],
)
def test_what_a_function_binds_is_not_a_reference(body: str, used: list[str]) -> None:
    assert [reference.name for reference in symbols(body).references] == used


def test_the_first_assignment_defines() -> None:
    found = symbols("class A:\n def f(self): self.x = 1\n def g(self): self.x = 2\nA.y = 1\nz = 1\nz = 2\n")
    assert [(item.name, item.kind, item.line) for item in found.definitions if item.kind in ("field", "constant")] == [
        ("x", "field", 1),
        ("z", "constant", 4),
    ]
    assert [use.line for use in found.references if use.name in ("x", "z")] == [2, 5]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_broken_text_never_raises(source: Path) -> None:
    text = source.read_bytes()
    language = languages.find("", source.name)
    assert language is not None
    for cut in range(0, len(text), 131):
        for broken in (text[:cut], text[cut:], text[:cut] + b"\xff\x00\r({" + text[cut + 9 :]):
            found = extract(source.name, broken, language)
            assert all(0 <= item.start < item.end <= len(broken) for item in found.definitions)
            assert all(reference.start < len(broken) for reference in found.references)


def test_a_signature_is_bounded() -> None:
    (item,) = symbols(f"def f({', '.join(f'argument_{index}' for index in range(500))}): pass").definitions
    assert len(item.signature) == 300 and item.signature.endswith("...")


def test_deep_and_large_text_is_bounded() -> None:
    assert symbols("(" * 5_000 + "x").path == "a.py"
    assert len(symbols("def f(): pass\n" * 5_000).definitions) == 5_000
    nested = "".join(f"{' ' * depth}def f{depth}():\n" for depth in range(300)) + " " * 300 + "x\n"
    assert symbols(nested).references[0].enclosing.count(".") == 63
    assert symbols("f = (a) => " * 5_000 + "b", "a.js").references[-1].name == "b"
    assert len(symbols("function f(a) {" * 5_000 + "}" * 5_000, "a.js").definitions) == 64


def test_a_language_without_a_grammar_has_no_symbols() -> None:
    found = symbols("def f; end", "a.rb")
    assert not found.definitions and not found.references and not found.imports
