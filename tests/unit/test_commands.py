"""The command line itself: each command's help, and what is said where a part was not installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from foretype import cli

ROOT = Path(__file__).resolve().parents[2]


def commands(known: dict = cli.COMMANDS, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, (_, command) in known.items():
        yield (*words, name)
        if isinstance(command, dict):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_each_command_has_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert f"foretype {' '.join(words)}" in " ".join(capsys.readouterr().out.split())


def test_what_is_not_installed_is_named() -> None:
    code = "import sys; sys.modules['git'] = None; from foretype import cli; sys.exit(cli.main(['mine', '--help']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "foretype: this needs git: pip install 'foretype[mine]'\n"


def test_the_extras_bring_what_they_are_said_to() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {module: {name.lower() for name in names} for module, names in packages_distributions().items()}
    for module, extra in cli._EXTRAS.items():
        packages = known.get(module, {module.replace("_", "-")})
        assert any(row.lower().startswith(package) for row in extras[extra] for package in packages), module
