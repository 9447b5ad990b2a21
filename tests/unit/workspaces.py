"""Workspaces of a few Python files, read and ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from foretype.context.workspace import Workspace

Make = Callable[..., Workspace]


@contextmanager
def workspaces(root: Path) -> Iterator[Make]:
    """Makes them in `root`, from the text of each module by its name."""
    made: list[Workspace] = []

    def workspace(**files: str) -> Workspace:
        for name, text in files.items():
            (root / f"{name}.py").write_text(text, "utf-8")
        made.append(Workspace.open(root, None))
        made[-1].refresh(children=0)
        return made[-1]

    yield workspace
    for one in made:
        one.close()
