"""A real Neovim under a test: keys go in as from a keyboard, and every frame of its screen is kept."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar
from unittest.mock import patch

import pynvim

PLUGIN = Path(__file__).parents[3] / "editors" / "nvim"
WIDTH, HEIGHT = 80, 20
PATIENCE_S = 30.0

# A prompt after a long message would wait for a key. Neovim 0.10 cannot switch it off: there notes are kept, not shown.
_NO_PROMPTS = """
vim.o.more = false
notes = {}
if not pcall(vim.api.nvim_set_option_value, "messagesopt", "wait:0,history:500", {}) then
  vim.notify = function(text) notes[#notes + 1] = text end
end
"""

T = TypeVar("T")


class Screen:
    """The grid as the protocol's redraw events draw it; `frames` has one list of lines for every flush."""

    def __init__(self) -> None:
        self.grid = [[" "] * WIDTH for _ in range(HEIGHT)]
        self.frames: list[list[str]] = []

    def draw(self, events: list[list[Any]]) -> None:
        for name, *calls in events:
            for arguments in calls:
                if name == "flush":
                    self.frames.append(["".join(row).rstrip() for row in self.grid])
                elif name == "grid_clear":
                    self.grid = [[" "] * WIDTH for _ in range(HEIGHT)]
                elif name == "grid_line":
                    self._line(*arguments[1:4])
                elif name == "grid_scroll":
                    self._scroll(*arguments[1:6])

    def _line(self, row: int, column: int, cells: list[list[Any]]) -> None:
        for text, *rest in cells:
            for _ in range(rest[1] if len(rest) > 1 else 1):
                self.grid[row][column] = text
                column += 1

    def _scroll(self, top: int, bottom: int, left: int, right: int, rows: int) -> None:
        order = range(top, bottom - rows) if rows > 0 else range(bottom - 1, top - rows - 1, -1)
        for row in order:
            self.grid[row][left:right] = self.grid[row + rows][left:right]


class Editor:
    """`nvim --embed` with the plugin on its runtime path and nothing of the user's.

    With `configured`, with what the configuration in `home` says instead, in the folders that Neovim takes by default.
    """

    def __init__(
        self, program: Path, home: Path, environment: Mapping[str, str] | None = None, configured: bool = False
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP") if name in os.environ}
        folders = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
        config = home / "foretype.toml"
        config.touch()
        own = {"HOME": str(home), "FORETYPE_CONFIG": str(config), **(environment or {})}
        arguments = [str(program), "--embed", "--headless", "-i", "NONE", "-n"]
        if not configured:
            arguments, own = [*arguments, "-u", "NONE"], folders | own
        with patch.dict(os.environ, inherited | own, clear=True):
            self.nvim = pynvim.attach("child", argv=arguments)
        self.home = home
        self.screen = Screen()
        self._marks = 0
        self.nvim.ui_attach(WIDTH, HEIGHT, rgb=True, ext_linegrid=True)
        self.nvim.command("set shortmess+=I noswapfile hidden")
        self.nvim.exec_lua(_NO_PROMPTS)
        self._pid = self.nvim.funcs.getpid()
        if not configured:
            self.nvim.command(f"set rtp^={PLUGIN}")
            self.nvim.command("runtime plugin/foretype.lua")
            self.nvim.command("filetype on")

    def close(self) -> None:
        with suppress(OSError, EOFError):
            self.nvim.command("qall!", async_=True)
        self.nvim.close()

    @contextmanager
    def bounded(self) -> Iterator[Editor]:
        """Inside, an editor that no longer answers is ended, so that the test fails: a request has no time limit."""
        watchdog = Timer(4 * PATIENCE_S, lambda: os.kill(self._pid, signal.SIGTERM))
        watchdog.daemon = True
        watchdog.start()
        try:
            yield self
        finally:
            watchdog.cancel()

    def lua(self, code: str, *arguments: object) -> Any:
        return self.nvim.exec_lua(code, *arguments)

    def type(self, keys: str) -> None:
        """Keys as a person presses them, in Neovim's notation (`<Tab>`, `<lt>`)."""
        self.nvim.input(keys)

    def pump(self) -> None:
        """Take in what Neovim has sent until now."""
        self._marks += 1
        self.nvim.call("rpcnotify", self.nvim.channel_id, "mark", self._marks)
        while True:
            message = self.nvim.next_message()
            if message is None:
                raise EOFError("Neovim ended")
            _, name, arguments = message
            if name == "redraw":
                self.screen.draw(arguments)
            elif name == "mark" and arguments == [self._marks]:
                return

    def wait(self, what: Callable[[], T], because: str = "", patience_s: float = PATIENCE_S) -> T:
        """What `what` says once it is true; fails with what was on the screen."""
        give_up_at = time.monotonic() + patience_s
        while True:
            found = what()
            if found:
                return found
            if time.monotonic() > give_up_at:
                self.pump()
                shown = "\n".join(self.screen.frames[-1]) if self.screen.frames else ""
                raise AssertionError(f"waited in vain: {because or what}\n{shown}\n{self.messages()}")
            time.sleep(0.005)

    def messages(self) -> str:
        return "\n".join([*self.lua("return notes"), self.nvim.command_output("messages")])

    def forget_messages(self) -> None:
        self.lua("notes = {}")
        self.nvim.command("messages clear")

    def shown(self, rows: int = 1) -> list[str]:
        """The first rows of the screen, as they are now."""
        self.pump()
        return self.screen.frames[-1][:rows] if self.screen.frames else []

    def wait_for_screen(self, *rows: str) -> None:
        self.wait(lambda: self.shown(len(rows)) == list(rows), f"the screen to show {rows}")

    def lines(self) -> list[str]:
        return self.nvim.current.buffer[:]

    def line(self) -> str:
        return self.nvim.current.line

    def ghost(self) -> str | None:
        """The ghost text from the extmarks of the current buffer, None where there is none."""
        marks = self.lua(
            "return vim.api.nvim_buf_get_extmarks(0, require('foretype.ghost').namespace, 0, -1, { details = true })"
        )
        if not marks:
            return None
        below: list[str] = []
        inline = ""
        for _, _, _, details in marks:
            inline += "".join(chunk[0] for chunk in details.get("virt_text", []))
            below += ["".join(chunk[0] for chunk in line) for line in details.get("virt_lines", [])]
        return "\n".join([inline, *below])

    def wait_for_ghost(self, text: str | None) -> None:
        self.wait(lambda: self.ghost() == text, f"ghost text {text!r}, not {self.ghost()!r}")
