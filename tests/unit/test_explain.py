"""`foretype context`: what it prints of a small workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foretype import cli


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "work space"
    root.mkdir()
    (root / ".foretype.toml").touch()
    (root / "shapes.py").write_text(
        'def area(width: float, height: float) -> float:\n    """In square units."""\n    return width * height\n'
    )
    (root / "main.py").write_text(
        "from shapes import area\n\n\ndef report(room):\n    total = area()\n    return total\n"
    )
    return root


def test_the_callee_is_shown_with_where_it_stands(workspace, capsys) -> None:
    assert cli.main(["context", f"{workspace / 'main.py'}:5:18"]) == 0
    shown = capsys.readouterr().out
    assert "shapes.py:1-3  symbols" in shown
    assert "def area(width: float, height: float" in shown


def test_json_is_one_object(workspace, capsys) -> None:
    assert cli.main(["context", f"{workspace / 'main.py'}:5:18", "--json"]) == 0
    snippets = json.loads(capsys.readouterr().out)["snippets"]
    assert {"path", "source", "score", "tokens"} <= snippets[-1].keys()
    assert "shapes.py" in {snippet["path"] for snippet in snippets}


def test_nothing_to_show_is_said(workspace, capsys) -> None:
    (workspace / "shapes.py").unlink()
    (workspace / "main.py").write_text("x = 1\n")
    assert cli.main(["context", f"{workspace / 'main.py'}:1:1"]) == 0
    assert "nothing of the rest of the workspace" in capsys.readouterr().out


def test_a_place_that_is_not_there(workspace, capsys) -> None:
    assert cli.main(["context", f"{workspace / 'main.py'}:99:1"]) == 2
    assert "there is no line 99" in capsys.readouterr().err
