"""`:help foretype` says what the plugin's source says, and the annotated types are those that the code checks."""

from __future__ import annotations

import re

import pytest
import vimdoc

SOURCE = (vimdoc.SOURCES / "options.lua").read_text("utf-8")
TYPED = vimdoc.classes(SOURCE)
PAGE = vimdoc.PAGE.read_text("utf-8")


def test_the_help_is_up_to_date() -> None:
    assert vimdoc.page(PAGE) == PAGE, "run `make docs`"


def test_a_page_without_a_section_is_refused() -> None:
    with pytest.raises(ValueError, match="COMMANDS"):
        vimdoc.page(PAGE.replace("COMMANDS", "WORDS"))


def test_each_tag_stands_once_and_each_line_fits() -> None:
    tags = re.findall(r"(?<![\w\"])\*([\w:.()-]+)\*(?!\w)", PAGE)
    assert len(tags) == len(set(tags)) > 20
    assert max(map(len, PAGE.splitlines())) <= 78


def test_what_is_linked_has_a_tag() -> None:
    own = set(re.findall(r"\|((?:foretype|:Foretype)[\w.()-]*)\|", PAGE))
    assert own and all(f"*{tag}*" in PAGE for tag in own)


def test_each_option_has_a_type_and_is_checked() -> None:
    checked = re.findall(r"^  (\w+) = \{", SOURCE.partition("local TYPES = {\n")[2].partition("\n}")[0], re.MULTILINE)
    assert set(TYPED["foretype.Options"]) == set(checked)
    defaults = SOURCE.partition("M.defaults = {\n")[2].partition("\n}\n")[0]
    assert set(re.findall(r"^  (\w+) =", defaults, re.MULTILINE)) == set(checked)


def test_each_key_has_a_type() -> None:
    def of(indent: str, block: str) -> set[str]:
        return set(re.findall(rf"^{indent}(\w+) =", block, re.MULTILINE))

    ghost, edits = (block.partition("},")[0] for block in SOURCE.split("keymaps = {\n")[1:3])
    assert of("    ", ghost) == set(TYPED["foretype.Keymaps"])
    assert of("      ", edits) == set(TYPED["foretype.EditKeymaps"])


def test_each_function_of_the_plugin_says_what_it_does() -> None:
    source = (vimdoc.SOURCES / "init.lua").read_text("utf-8")
    told = {name: comment for comment, name in re.findall(r"((?:---.*\n)*)function M\.(\w+)\(", source)}
    assert [name for name, comment in told.items() if not re.search(r"^--- \w", comment, re.MULTILINE)] == []
    assert set(told) == set(re.findall(r"\*foretype\.(\w+)\(\)\*", PAGE))


def test_each_command_is_told() -> None:
    source = (vimdoc.SOURCES / "command.lua").read_text("utf-8").partition("local COMMANDS = {\n")[2]
    words = {one or other for one, other in re.findall(r'^  (?:\["([\w-]+)"\]|(\w+)) = function', source, re.MULTILINE)}
    assert words == set(re.findall(r"^:Foretype ([\w-]+)", PAGE, re.MULTILINE))
