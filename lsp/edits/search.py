"""One search for next edits: what it is given, and how it is run on a thread, whatever becomes of it.

Knows neither when to search nor what the client is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foretype.context.next_edit import Diagnostic, EditedFile, NextEdit
from foretype.model.backend import Backend, BackendError, Cancel, Cancelled
from foretype.model.worker import trace

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace
    from foretype.model.next_edits import Found

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """What is looked for. `turned_down` says what is not to be proposed again; a model is asked about places where
    something is known to be due alone, unless `likely`."""

    workspace: Workspace
    edited: tuple[EditedFile, ...]
    cursor: tuple[str, int] | None
    diagnostics: tuple[Diagnostic, ...]
    turned_down: Callable[[NextEdit], bool]
    most: int
    likely: bool = False


def run(search: Search, on_edit: Callable[[NextEdit], None], backend: Backend | None, cancel: Cancel) -> Found | None:
    """None where the search itself failed: that is no failure of the backend. Raises `Cancelled`, `BackendError`."""
    try:
        return find(search, backend, cancel, on_edit)
    except (Cancelled, BackendError):
        raise
    except Exception as error:
        log.error("%s in the search for next edits\n%s", type(error).__name__, trace(error))
        return None


def run_alone(
    work: Callable[[Backend | None, Cancel], Found | None],
    cancel: Cancel,
    post: Callable[..., object],
    done: Callable[[Found | None], None],
) -> None:
    """A search without a model, on the rules' own thread."""
    try:
        post(done, work(None, cancel))
    except Cancelled:
        pass


def find(search: Search, backend: Backend | None, cancel: Cancel, on_edit: Callable[[NextEdit], None]) -> Found:
    from foretype.model.next_edits import Options, next_edits

    return next_edits(
        search.workspace,
        search.edited,
        cursor=search.cursor,
        diagnostics=search.diagnostics,
        backend=backend,
        options=Options(
            max_edits=search.most, lanes=("rule", "model") if backend else ("rule",), due_only=not search.likely
        ),
        cancel=cancel,
        rejected=search.turned_down,
        on_edit=on_edit,
    )
