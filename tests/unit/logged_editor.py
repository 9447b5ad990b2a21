"""A client and its session as the event log hears them, with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from foretype.lsp.documents import Documents
from foretype.lsp.events import Ledger
from foretype.lsp.log.opportunities import Log, Ticket
from foretype.lsp.log.schema import Capture, Opportunity, Run
from foretype.lsp.outcome import Figures, Nothing, Reason, Suggestion

URI = "file:///w/a.py"


class Editor:
    """A client with a document, whose cursor is behind what was typed last, and a session that tells its log."""

    def __init__(self) -> None:
        self.now, self.rows = 100.0, dict[tuple[int, int], dict[str, object]]()
        self.captures: list[Capture] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.documents = Documents()
        self.documents.open(URI, "python", 1, "x = 1\n\n")
        self.line, self.column, self.version, self.ids = 1, 0, 1, 0
        self.log = Log(self.put, self.documents.get, self.later, clock=lambda: self.now)
        self.ledger = Ledger(self.log.heard)
        self.log.begin(Run(0, "s", "i", 0, 0))

    def put(self, row: Opportunity | Run | Capture) -> None:
        if isinstance(row, Opportunity):
            self.rows[row.run, row.seq] = {name: getattr(row, name) for name in row.__slots__}
        elif isinstance(row, Capture):
            self.captures.append(row)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timers.append((self.now + seconds, call))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer[0] <= self.now]:
            self.timers.remove(timer)
            timer[1]()

    def change(self, line: int, column: int, removed: int, text: str) -> None:
        def at(column: int) -> SimpleNamespace:
            return SimpleNamespace(line=line, character=column)

        entry = SimpleNamespace(range=SimpleNamespace(start=at(column), end=at(column + removed)), text=text)
        self.version += 1
        change = self.documents.change(URI, self.version, [entry])
        self.log.changed(URI, "python", change.edits)
        self.line, self.column = line + text.count("\n"), column + len(text)
        if "\n" in text:
            self.column = len(text.rpartition("\n")[2])

    def type(self, text: str, pause: float = 0.25) -> None:
        for key in text:
            self.now += pause
            self.change(self.line, self.column, 0, key)

    def paste(self, text: str) -> None:
        self.change(self.line, self.column, 0, text)

    def ask(self, explicit: bool = False) -> Ticket | None:
        snapshot = self.documents.get(URI)
        return self.log.asked(URI, "python", self.line, self.column, explicit, snapshot)

    def answer(self, ticket: Ticket | None, text: str, known: str = "", tokens: int = 4) -> str:
        """The id of the suggestion."""
        self.ids += 1
        name, stages_ms = known or f"s{self.ids}", {"total": 50.0, "context": 5.0, "model": 40.0, "model_prefill": 30.0}
        figures = None if known else Figures("single", 200, 190, 150, 50, tokens, -0.1, 0.5, {"length": 1.0})
        self.log.answered(ticket, Suggestion(name, text, stages_ms, figures=figures, recalled=bool(known)))
        self.ledger.answered(name, text, "python", stages_ms)
        return name

    def nothing(self, ticket: Ticket | None, reason: Reason) -> None:
        self.log.answered(ticket, Nothing(reason, {"total": 1.0}))

    def suggest(self, text: str, known: str = "") -> str:
        """Asked, answered and drawn."""
        name = self.answer(self.ask(), text, known)
        self.ledger.shown(name)
        return name

    def accept(self, name: str, text: str, length: int | None = None, of: int | None = None) -> None:
        """As an editor does: the text first, then the word of it."""
        self.change(self.line, self.column, 0, text)
        self.ledger.accepted(name, length, of)

    def lives(self, *columns: str) -> list[tuple[object, ...]]:
        return [tuple(row[name] for name in columns) for row in self.rows.values()]
