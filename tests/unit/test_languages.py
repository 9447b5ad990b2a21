import pytest

from foretype.context import languages

GRAMMARS = {"python", "javascript", "typescript", "tsx", "go", "rust", "java", "c", "cpp", "lua"}


@pytest.mark.parametrize(
    ("language_id", "path", "name"),
    [
        ("python", "", "python"),
        ("javascriptreact", "a.txt", "javascript"),
        ("typescriptreact", "", "tsx"),
        ("typescript", "a.tsx", "typescript"),
        ("", "src/App.TSX", "tsx"),
        ("plaintext", "lib\\init.lua", "lua"),
        ("", "deep/Makefile", "make"),
        ("Rust", "", "rust"),
    ],
)
def test_find(language_id: str, path: str, name: str) -> None:
    row = languages.find(language_id, path)
    assert row is not None and row.name == name


def test_find_nothing() -> None:
    assert languages.find("plaintext", "notes.txt") is None
    assert languages.find("", "") is None


def test_ids_and_extensions_are_unique() -> None:
    for names in (
        [i for row in languages.LANGUAGES for i in row.ids],
        [e for r in languages.LANGUAGES for e in r.extensions],
    ):
        assert len(names) == len(set(names))
        assert names == [name.lower() for name in names]


def test_every_grammar_parses() -> None:
    rows = [row for row in languages.LANGUAGES if row.grammar]
    assert {row.name for row in rows} == GRAMMARS
    for row in rows:
        parser = languages.parser(row)
        assert parser is not None and parser.parse(b"x").root_node.end_byte == 1


@pytest.mark.parametrize("grammar", ["no_such_wheel.language", "tree_sitter_python.no_such_function", "json.dumps"])
def test_grammar_that_does_not_import_is_none(grammar: str) -> None:
    broken = languages.Language("broken", ("broken",), (), "#", "indent", grammar)
    assert languages.parser(broken) is None
