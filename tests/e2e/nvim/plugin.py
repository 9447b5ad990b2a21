"""How the tests meet the plugin: its setup, the server's counts, a scripted model."""

from __future__ import annotations

import sys
from collections.abc import Callable

from nvim.editor import Editor
from stub_openai import StubOpenAI

SERVE = [sys.executable, "-m", "foretype.cli", "serve"]


def set_up(editor: Editor, stub: StubOpenAI, **options: object) -> None:
    """`require("foretype").setup` with the server of this working tree and the scripted model."""
    server = {
        "model": {"backend": "openai"},
        "openai": {"url": stub.url, "model": "scripted"},
        "completion": {"debounce_ms": 0, "mode": "multi"},
    }
    editor.lua("require('foretype').setup(...)", {"cmd": SERVE, "server": server, **options})


def wait_until_ready(editor: Editor) -> None:
    editor.wait(lambda: editor.lua("return require('foretype').status().state") == "ready", "the server to be ready")


def counts(editor: Editor) -> dict[str, int]:
    """What the server has counted, after everything that was sent to it before."""
    status = editor.lua(
        """
        local answer
        require('foretype.client').ask_status(function(status) answer = status or {} end)
        vim.wait(5000, function() return answer end, 5)
        return answer
        """
    )
    return dict(status["counts"])


def added(editor: Editor, before: dict[str, int]) -> dict[str, int]:
    """The counts that grew since."""
    now = counts(editor)
    return {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}


def finish(line: str, rest: str) -> Callable[[str, str], str]:
    """A model that knows one line: it gives what is missing where the text ends in a part of it."""
    whole = line + rest

    def script(prompt: str, suffix: str) -> str:
        last = prompt.rsplit("\n", 1)[-1]
        return whole[len(last) :] if last and len(last) >= len(line) and whole.startswith(last) else ""

    return script
