"""Records what a person sees in a real Neovim with the real server, as an animated SVG: `make captures`.

A picture is drawn for each state of the screen that stood for a moment, with the colours that Neovim was told to use.
Text stays text, so that a capture is small and sharp; no font is carried, the reader's own monospaced one is used.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from nvim import get
from nvim.editor import HEIGHT, WIDTH, Editor, Screen

DOCS = Path(__file__).parents[3] / "docs"
CELL, LINE, SIZE = 8.4, 19, 14  # pixels: a letter's width, a row's height, the font's size
_STOOD_S = 0.06  # a state that stood for less is a flicker of the recording, and not drawn
_LAST_S = 2.5  # how long the end is shown before it begins anew

LIB = '''"""Notes with a time."""

from datetime import datetime


def note(text):
    print(datetime.now(), text)


def greet(name):
    note("hello")
    note(name)
'''
MAIN = """from lib import greet, note


def main():
    note("begin")
    greet("Ada")
    note("end")
"""


@dataclass(frozen=True)
class Cell:
    text: str = " "
    style: int = 0


@dataclass(frozen=True)
class Picture:
    """Rows of cells, where the cursor is (row, column), and when they were drawn, in seconds."""

    rows: tuple[tuple[Cell, ...], ...]
    cursor: tuple[int, int]
    at: float


class Recorder(Screen):
    """The screen with its colours; `pictures` has one for every flush."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = [[Cell()] * WIDTH for _ in range(HEIGHT)]
        self.styles: dict[int, dict[str, Any]] = {0: {}}
        self.colours = (0xE0E2EA, 0x14161B)
        self.cursor = (0, 0)
        self.pictures: list[Picture] = []

    def draw(self, events: list[list[Any]]) -> None:
        super().draw(events)
        for name, *calls in events:
            for given in calls:
                if name == "hl_attr_define":
                    self.styles[given[0]] = given[1]
                elif name == "default_colors_set":
                    self.colours = given[0], given[1]
                elif name == "grid_cursor_goto":
                    self.cursor = given[1], given[2]
                elif name == "grid_clear":
                    self.cells = [[Cell()] * WIDTH for _ in range(HEIGHT)]
                elif name == "grid_line":
                    self._coloured(*given[1:4])
                elif name == "grid_scroll":
                    self._scrolled(*given[1:6])
                elif name == "flush":
                    rows = tuple(map(tuple, self.cells))
                    self.pictures.append(Picture(rows, self.cursor, time.monotonic()))

    def _coloured(self, row: int, column: int, cells: list[list[Any]]) -> None:
        style = 0
        for text, *rest in cells:
            style = rest[0] if rest else style
            for _ in range(rest[1] if len(rest) > 1 else 1):
                self.cells[row][column] = Cell(text, style)
                column += 1

    def _scrolled(self, top: int, bottom: int, left: int, right: int, rows: int) -> None:
        for row in range(top, bottom - rows) if rows > 0 else range(bottom - 1, top - rows - 1, -1):
            self.cells[row][left:right] = self.cells[row + rows][left:right]


def record(play: Callable[[Editor], None], out: Path) -> None:
    """Plays in an editor of its own, and writes what was to be seen."""
    program = next((found for version in get.PACKAGES if (found := get.program(version))), None)
    if program is None:
        raise SystemExit("Neovim is not there: run tests/e2e/nvim/get.py")
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(program, Path(folder), {"FORETYPE_CACHE": f"{folder}/cache"})
        recorder = editor.screen = Recorder()
        try:
            editor.nvim.command(
                "set background=dark termguicolors laststatus=0 noruler noshowcmd noshowmode fillchars=eob:\\ "
            )
            editor.nvim.command("syntax on")
            play(editor)
        finally:
            editor.close()
    out.write_text(svg(recorder.pictures, recorder.styles, recorder.colours), encoding="utf-8")
    sys.stdout.write(f"{out}: {out.stat().st_size // 1024} KiB\n")


def next_edits(editor: Editor) -> None:
    """A parameter is added to a function; its calls, here and in another file, follow."""
    work = editor.home / "work"
    (work / ".git").mkdir(parents=True)
    for name, text in (("lib.py", LIB), ("main.py", MAIN)):
        (work / name).write_text(text, encoding="utf-8")
    editor.nvim.command(f"cd {work}")
    serve = [sys.executable, "-m", "foretype", "serve"]
    editor.lua("require('foretype').setup(...)", {"cmd": serve, "server": {"completion": {"enabled": False}}})
    editor.nvim.command("edit lib.py")
    editor.wait(lambda: editor.lua("return require('foretype.client').serves(0)"), "the server")
    time.sleep(3)  # the workspace is being read
    editor.pump()
    editor.screen.pictures.clear()
    editor.type("6Gf(b")
    _look(editor, 0.8)
    for key in ("ciw", *"record", "<Esc>"):  # asked in the middle of a command, Neovim would not answer
        editor.type(key)
        _look(editor, 0.16)
    _look(editor, 1.6)
    for _ in range(24):
        if not editor.lua("return #(require('foretype.edits').list())"):
            break
        editor.type("<Tab>")
        _look(editor, 1.0)
    _look(editor, 1.0)


def _look(editor: Editor, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        editor.pump()
        time.sleep(0.01)


def svg(pictures: Sequence[Picture], styles: dict[int, dict[str, Any]], colours: tuple[int, int]) -> str:
    """The pictures that stood, one after the other, for as long as each was to be seen."""
    shown: list[tuple[Picture, float]] = []  # with the seconds that each was to be seen
    ends = [*(after.at for after in pictures[1:]), pictures[-1].at + _LAST_S]
    for picture, end in zip(pictures, ends, strict=True):
        same = shown and (shown[-1][0].rows, shown[-1][0].cursor) == (picture.rows, picture.cursor)
        if same:
            shown[-1] = shown[-1][0], shown[-1][1] + end - picture.at
        elif end - picture.at >= _STOOD_S:
            shown.append((picture, end - picture.at))
    total = sum(seconds for _, seconds in shown)
    foreground, background = (f"#{colour:06x}" for colour in colours)
    width, height = WIDTH * CELL + 16, HEIGHT * LINE + 16
    rules, groups, begun = [], [], 0.0
    for number, (picture, seconds) in enumerate(shown):
        start, end = 100 * begun / total, 100 * (begun + seconds) / total
        begun += seconds
        last = number == len(shown) - 1
        rules.append(
            f"@keyframes f{number}{{0%{{opacity:{int(start == 0)}}}"
            + (f"{start:.3f}%{{opacity:1}}" if start else "")
            + (f"{end:.3f}%{{opacity:0}}" if not last else "")
            + f"100%{{opacity:{int(last)}}}}}#f{number}{{animation:f{number} {total:.2f}s step-end infinite}}"
        )
        groups.append(f'<g id="f{number}">{_drawn(picture, styles, colours)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">\n'
        f"<style>text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre;"
        f"fill:{foreground}}}g[id]{{opacity:0}}{''.join(rules)}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{background}"/>\n<g transform="translate(8 8)">\n'
        + "\n".join(groups)
        + "\n</g></svg>\n"
    )


def _drawn(picture: Picture, styles: dict[int, dict[str, Any]], colours: tuple[int, int]) -> str:
    parts = []
    for row, cells in enumerate(picture.rows):
        column = 0
        for style, run in groupby(cells, key=lambda cell: cell.style):
            text = "".join(cell.text for cell in run)
            parts.append(_run(row, column, text, styles.get(style, {}), colours))
            column += len(text)
    row, column = picture.cursor
    parts.append(f'<rect x="{column * CELL:.1f}" y="{row * LINE}" width="2" height="{LINE}" fill="#9b9ea4"/>')
    return "".join(parts)


def _run(row: int, column: int, text: str, style: dict[str, Any], colours: tuple[int, int]) -> str:
    """Cells of one style: their background, if it is another one, and their text."""
    foreground, background = style.get("foreground"), style.get("background")
    if style.get("reverse"):
        foreground, background = background or colours[1], foreground or colours[0]
    x, parts = column * CELL, ""
    if background is not None and background != colours[1]:
        parts += f'<rect x="{x:.1f}" y="{row * LINE}" width="{len(text) * CELL:.1f}" height="{LINE}" '
        parts += f'fill="#{background:06x}"/>'
    if not text.strip():
        return parts
    look = f' fill="#{foreground:06x}"' if foreground is not None else ""
    look += ' text-decoration="line-through"' if style.get("strikethrough") else ""
    look += ' font-weight="bold"' if style.get("bold") else ""
    look += ' font-style="italic"' if style.get("italic") else ""
    stripped = text.rstrip()
    length = f' textLength="{len(stripped) * CELL:.1f}"'
    return f'{parts}<text x="{x:.1f}" y="{row * LINE + 14}"{length}{look}>{escape(stripped, quote=False)}</text>'


if __name__ == "__main__":
    record(next_edits, DOCS / "next-edits.svg")
