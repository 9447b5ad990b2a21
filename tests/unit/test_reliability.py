"""The page on reliability is made of what pytest wrote and of what was noted by hand."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from foretype.eval import reliability

NOTES = """
[[fuzzing]]
what = "torn messages"
test = "tests/unit/test_fuzz_torn.py"
found = 2
faults = "one and another"
mended = 1

[[kills]]
what = "killed: index"
test = "tests/e2e/test_kills.py"
found = 0
"""
PAGE = "# Page\n<!-- fuzzing -->\nold\n<!-- end -->\nbetween\n<!-- kills -->\n<!-- end -->\n"


def report(folder: Path, cases: str, statistics: str = "") -> Path:
    said = base64.b64encode(statistics.encode()).decode()
    name = "hypothesis-statistics-tests/unit/test_fuzz_torn.py::test_any"
    properties = f'<properties><property name="{name}" value="{said}"/></properties>' if statistics else ""
    file = folder / "report.xml"
    file.write_text(f"<testsuites><testsuite>{properties}{cases}</testsuite></testsuites>")
    return file


def case(row: str, tried: str = "", inside: str = "") -> str:
    properties = f'<property name="row" value="{row}"/>' + (
        f'<property name="tried" value="{tried}"/>' if tried else ""
    )
    return f'<testcase classname="c" name="n"><properties>{properties}</properties>{inside}</testcase>'


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "page.toml").write_text(NOTES)
    (tmp_path / "page.md").write_text(PAGE)
    return tmp_path / "page.md"


def test_counts_come_from_the_tests_and_stay(page: Path) -> None:
    passed = "- reuse:\n    - 3 passing, 0 failing\n  - generate:\n    - 1200 passing, 0 failing, and 9 invalid"
    found = report(page.parent, case("killed: index", "25") + case("killed: index", "25"), passed)
    assert reliability.main([str(found), "--into", str(page)]) == 0
    assert "| torn messages | `tests/unit/test_fuzz_torn.py` | 1,203 | 2: one and another | 1 |" in page.read_text()
    assert "| killed: index | `tests/e2e/test_kills.py` | 50 | 0 |  |" in page.read_text()
    assert "old" not in page.read_text() and page.read_text().startswith("# Page\n")
    assert json.loads((page.parent / "figures" / "reliability.json").read_text())["torn messages"] == 1203
    # tried again without the first, which stays what it was
    assert reliability.main([str(report(page.parent, case("killed: index", "4"))), "--into", str(page)]) == 0
    assert "| 1,203 |" in page.read_text() and "`tests/e2e/test_kills.py` | 4 |" in page.read_text()


def test_what_failed_or_was_skipped_does_not_count(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = case("killed: index", "50", '<failure message="no"/>') + case("torn messages", "9", "<skipped/>")
    assert reliability.main([str(report(page.parent, cases)), "--into", str(page)]) == 1
    assert capsys.readouterr().err == "failed: c::n\n"
    assert page.read_text().count("not counted") == 2


def test_a_row_that_nobody_has_noted_is_named(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reliability.main([str(report(page.parent, case("killed: nobody"))), "--into", str(page)]) == 1
    assert "has no row for: killed: nobody" in capsys.readouterr().err


def test_the_page_is_as_its_notes_and_counts_say(repository: Path, tmp_path: Path) -> None:
    for name in ("reliability.md", "reliability.toml", "figures/reliability.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((repository / "docs" / name).read_bytes())
    assert reliability.main(["--into", str(tmp_path / "reliability.md")]) == 0
    assert (tmp_path / "reliability.md").read_text("utf-8") == (repository / "docs" / "reliability.md").read_text(
        "utf-8"
    )
