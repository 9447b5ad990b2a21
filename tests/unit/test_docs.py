"""What README and `docs/` name is there: commands, arguments, options, files, messages. Examples can be read."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from foretype.cli import COMMANDS
from foretype.lsp import experiments
from foretype.lsp.edits.handlers import FOUND
from foretype.lsp.options import Options
from foretype.lsp.reports import STATUS_CHANGED
from foretype.lsp.server import new_server
from foretype.mining import row_filters
from foretype.mining.filters import FILTERS, name

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "eval" / "cases" / "edits" / "README.md")
CODE = re.compile(r"^```(?P<kind>\w*)\n(?P<block>.*?)^```$|`(?P<span>[^`\n]+(?:\n[^`\n]+)?)`", re.MULTILINE | re.DOTALL)
SECTIONS = {
    section.name: {option.name for option in fields(getattr(Options(), section.name))} for section in fields(Options)
}
FILES = re.compile(r"(?:context|model|lsp|mining|eval|tests|editors|docs)/[\w./-]+\.(?:py|md|toml|lua|scm)\b")
NO_OPTION = {"py", "toml", "md", "jsonl", "json", "onnx", "gguf"}  # what follows a dot in the name of a file

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code(page: Path) -> Iterator[tuple[str, str]]:
    """The blocks and spans of code, each with its kind ("" for spans and for blocks without one)."""
    for match in CODE.finditer(page.read_text("utf-8")):
        yield (match["kind"] or "", match["block"] if match["span"] is None else match["span"])


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `foretype` of each command line."""
    for kind, text in code(page):
        if kind in ("", "sh"):
            for line in text.replace("\\\n", " ").split("\n") if kind else [text.replace("\n", " ")]:
                if line.startswith("foretype "):
                    yield shlex.split(line, comments=True)[1:]


@cache
def parser_of(command: object) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    arguments = importlib.import_module(command).add_arguments if isinstance(command, str) else command[0]
    arguments(parser)
    return parser


def check(words: list[str]) -> None:
    """Raises AssertionError for a command, argument or choice that does not exist. Words in capitals stand for others,
    and `a|b` for either."""
    line, command = " ".join(words), COMMANDS
    while isinstance(command, dict) and words and not words[0].isupper():
        assert words[0] in command, f"no such command: foretype {line}"
        command = command[words.pop(0)][1]
    if isinstance(command, dict):
        return
    parser = parser_of(command)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words:
            parser = action.choices[words.pop(0)]
    expected = next((action for action in parser._actions if not action.option_strings), None)
    for word in words:
        if word.startswith("--"):
            flag, _, word = word.partition("=")
            assert flag in parser._option_string_actions, f"no such argument: foretype {line}"
            expected = parser._option_string_actions[flag]
        if word and expected:
            if expected.choices and not word.isupper():
                assert set(word.split("|")) <= set(expected.choices), f"{word} is no choice: foretype {line}"
            expected = None


@pages
def test_commands_and_their_arguments_exist(page: Path) -> None:
    for words in commands(page):
        check(words)


@pytest.mark.parametrize("line", ["evil", "eval infil", "report --htm x", "telemetry of", "eval edits --lane=rules"])
def test_others_do_not(line: str) -> None:
    with pytest.raises(AssertionError):
        check(line.split())


@pages
def test_options_exist(page: Path) -> None:
    for kind, text in code(page):
        for section, option in re.findall(r"(?<![\w./-])([a-z]+)\.([a-z_]+)\b(?![/.])", text) if not kind else ():
            if section in SECTIONS and option not in NO_OPTION:
                assert option in SECTIONS[section], f"{section}.{option}"


@pages
def test_files_and_links_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for path in FILES.findall(text):
        if "NAME" not in path and "RULE" not in path:
            assert (ROOT / path).exists() or (page.parent / path).exists(), path
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", other.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_tree_in_the_readme_is_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    tree = text.partition("## Where things are\n\n```\n")[2].partition("```")[0]
    folder = ROOT
    for line in tree.splitlines():
        if not line.startswith(" "):
            folder = ROOT / line.split()[0] if line.split()[0].endswith("/") else ROOT
            assert folder.is_dir(), line
        for word in re.findall(r"[\w*]+\.(?:py|toml)|(?<![\w/])\w+/(?=[\s:,;])", line if line.startswith(" ") else ""):
            assert any(folder.glob(word.rstrip("/"))), f"{word} in {folder.name}/"
    assert {line.split("/")[0] for line in tree.splitlines() if not line.startswith(" ")} >= {
        path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()
    }


def test_the_page_of_the_protocol_has_every_message() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    own = {one for one in new_server().protocol.fm.features if one.startswith("foretype/") or "opilot" in one}
    own |= {FOUND, STATUS_CHANGED}
    assert len(own) > 5
    assert own <= set(re.findall(r"`([\w/]+)`", page))
    told = {one for one in re.findall(r"`([\w]+/\w+)`", page) if one.startswith("foretype/")}
    assert told == {one for one in own if one.startswith("foretype/")}
    for command in new_server().protocol.fm.commands:
        assert f'"{command}"' in page


@pages
def test_examples_can_be_read(page: Path) -> None:
    for kind, text in code(page):
        if kind == "json":
            json.loads(text)
        elif kind == "toml":
            tomllib.loads(text)


def test_the_experiment_on_the_page_is_one() -> None:
    page = ROOT / "docs" / "cpo.md"
    table = next(text for kind, text in code(page) if kind == "toml" and "[[arms]]" in text)
    assert len(experiments.parse(tomllib.loads(table)).arms) == 2


def test_the_page_of_training_has_every_filter() -> None:
    page = (ROOT / "docs" / "training.md").read_text("utf-8")
    listed = {one for line in page.splitlines() if line.startswith("| `") for one in re.findall(r"`(\w+)`", line)}
    assert {name(one) for one in (*FILTERS, *row_filters.FILTERS)} <= listed
