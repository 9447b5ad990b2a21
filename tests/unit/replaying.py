"""An assistant whose answers are scripted, a clock that only pauses move, and a small history, for tests of replays."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from pathlib import Path

from foretype.eval import replay
from foretype.eval.typing.assistant import Shown
from foretype.eval.typing.buffer import Buffer
from foretype.eval.typing.play import Row
from foretype.eval.typing.rows import Played


class Time:
    """A clock that only its pauses move."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, ms: float, busy: Callable[[], bool]) -> None:
        self.now += ms


class Scripted:
    """Answers an ask at `key` with `answers[key]` = (text, ms), as a model does; 4 characters are a token."""

    name = model = "scripted"

    def __init__(self, answers: dict[int, tuple[str, float]], time: Time | None = None) -> None:
        self.time = time or Time()
        self.answers = answers
        self.log: list[tuple[object, ...]] = []
        self.buffers: dict[str, Buffer] = {}
        self._due = 0.0
        self._shown: Shown | None = None
        self._asked = self._answered = 0

    def workspace(self, root: Path, changed: tuple[str, ...]) -> None:
        self.log.append(("workspace", changed))

    def open(self, path: str, language: str, text: str) -> None:
        self.buffers[path] = Buffer(text)
        self._shown = None

    def edit(self, path: str, line: int, column: int, removed: str, inserted: str) -> None:
        self.buffers[path].change(line, column, removed, inserted)
        self._shown = None
        self.log.append(("edit", removed, inserted))

    def move(self, path: str, line: int, column: int) -> None:
        self._shown = None

    def ask(self, path: str, line: int, column: int, key: int) -> None:
        self._asked += 1
        if key in self.answers:
            text, ms = self.answers[key]
            self._due = self.time.now + ms
            self._shown = Shown(text, key, ms, False, len(text) // 4)
            self._answered += 1

    def shown(self) -> Shown | None:
        return self._shown if self._due <= self.time.now else None

    def busy(self) -> bool:
        return self._shown is not None and self._due > self.time.now

    def accepted(self, characters: int) -> None:
        self.log.append(("accepted", characters))

    def rejected(self) -> None:
        raise AssertionError("this developer types on")

    def close(self, path: str) -> None:
        self.log.append(("close", self.buffers[path].text))

    def cpu_s(self) -> float:
        return self._asked / 10

    def counts(self) -> dict[str, int]:
        asked = self._asked
        return {"attempts": asked, "requests": asked, "answered": self._answered, "empty": 0, "wasted": 0}

    def stop(self) -> None:
        self.log.append(("stop",))


def commit(side: str, name: str, rows: list[Row], **counts: int) -> Played:
    known = {"attempts": len(rows), "requests": len(rows), "answered": 0, "empty": 0, "wasted": 0} | counts
    return Played(side, "r", name, "python", "m", tuple(rows), known, 1.0, 1.0)


def made_repository(folder: Path) -> Path:
    """With three commits that each add a function."""
    root = folder / "repository"
    root.mkdir()
    words = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*words, "init", "--quiet"], check=True)
    text = "import os\n"
    for name in ("nothing", "first", "second", "third"):
        text += f"\n\ndef the_{name}(value):\n    return {name} * value\n"
        (root / "a.py").write_bytes(text.encode())
        subprocess.run([*words, "add", "a.py"], check=True)
        subprocess.run([*words, "commit", "--quiet", "-m", name], check=True)
    return root


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    return parser.parse_args(words)
