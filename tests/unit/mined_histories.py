"""Histories for tests of mining as a whole: licensed repositories in which each commit changes code and adds some."""

from __future__ import annotations

from histories import Made

MIT = """MIT License. Permission is hereby granted, free of charge, to any person obtaining a copy of this software ...
The above copyright notice and this permission notice shall be included in all copies or substantial portions.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY"""
DAY = 86_400


def code(count: int, word: str, edited: int = 0) -> str:
    """Functions that call each other, of which the first `edited` take one value more."""
    return "".join(
        f"def {word}_{at}(first{', scale' * (at < edited)}):\n"
        f"    total = first + {at}\n"
        f"    return {word}_{max(0, at - 1)}(total{', scale' * (at < edited)})\n\n\n"
        for at in range(count)
    )


def commits(word: str, steps: int = 8, licence: str = MIT) -> list[Made]:
    """One commit a day; `app.py` has more functions than steps and four, and changes with each."""
    count = steps + 4
    made = [Made({"LICENSE": licence, "app.py": code(count, word)}, f"Start to {word} values", time=DAY)]
    for at in range(1, steps):
        files = {f"lib/{word}{at}.py": code(4, f"{word}{at}"), "app.py": code(count, word, 4 + at)}
        made.append(Made(files, f"Scale what is {word}, step {at}", time=DAY * (at + 1)))
    return made
