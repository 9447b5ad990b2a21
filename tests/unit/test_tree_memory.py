"""Parsed files are kept for the next search, but not every version of a file that is being typed into."""

from __future__ import annotations

from foretype.context import languages
from foretype.context.rules import trees

PYTHON = languages.find("python", "a.py")


def parse(path: str, text: str) -> trees.Parsed:
    assert PYTHON is not None
    found = trees.parse(path, text.encode(), PYTHON)
    assert found is not None
    return found


def kept(memory: trees._Memory, path: str) -> int:
    return sum(name == path for name, _, _ in memory._files)


def test_the_same_text_is_parsed_once() -> None:
    assert parse("one.py", "a = 1\n") is parse("one.py", "a = 1\n")


def test_of_a_file_the_last_versions_are_kept_and_of_others_theirs(monkeypatch) -> None:
    memory = trees._Memory()
    monkeypatch.setattr(trees, "_memory", memory)
    other = parse("other.py", "b = 1\n")
    texts = [f"a = {number}\n" for number in range(50)]
    versions = [parse("typed.py", text) for text in texts]
    assert kept(memory, "typed.py") == 3 and kept(memory, "other.py") == 1
    assert [parse("typed.py", text) for text in texts[-3:]] == versions[-3:]
    assert parse("other.py", "b = 1\n") is other
    assert memory._bytes == sum(len(source) for _, _, source in memory._files)


def test_all_of_them_together_have_a_limit(monkeypatch) -> None:
    memory = trees._Memory()
    monkeypatch.setattr(trees, "_memory", memory)
    monkeypatch.setattr(trees, "_KEPT_BYTES", 1000)
    for number in range(50):
        parse(f"{number}.py", f"a = {number}\n" * 20)
    assert memory._bytes <= 1000 and kept(memory, "49.py") == 1 and kept(memory, "0.py") == 0
