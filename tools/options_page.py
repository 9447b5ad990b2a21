"""Writes the table of docs/options.md from the schema of the options (`python tools/options_page.py`).

What stands above the table is prose, and stays.
"""

from __future__ import annotations

import sys
from pathlib import Path

from foretype.lsp import options

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
HEADING = "## All options\n\n"


def written(page: str) -> str:
    """The page with the table as the schema has it. Raises ValueError where the page has no place for it."""
    prose, heading, _ = page.partition(HEADING)
    if not heading:
        raise ValueError(f"{PAGE} has no heading {HEADING.strip()!r}")
    return prose + heading + options.markdown_table()


def main() -> int:
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
