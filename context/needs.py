"""Which definitions the cursor needs: those that a developer would look up before writing what comes next.

Names are followed by the imports of the file and, where a variable's class is said or assigned near by, through it;
there are no types beyond that, so a need is a guess with a weight. Only definitions that the prompt does not show are
needed. How they are written out is `context/skeleton.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from foretype.context import scene as scenes
from foretype.context.graph import Graph
from foretype.context.index import environments
from foretype.context.languages import Language
from foretype.context.scene import Chain, Scene
from foretype.context.symbols import Definition, Import
from foretype.context.text import Snapshot

MOST_MEMBERS = 12
_MOST_NEEDS = 16
_MOST_LOOKED_UP = 24  # names; each costs some tenths of a millisecond
_MOST_LINES = 40  # with a variable, that are searched for its class
_MOST_IMPORTS, _SOME = 200, 8  # names that are looked at, and of each sort looked up
_MOST_GUESSED = 4  # names that are looked for everywhere, which costs more
_LIBRARY = 0.8  # of the weight of a definition of the workspace
_DEEPEST = 3  # of inheritance
_CLASSES = ("class", "type")
_SELF = {"self", "this", "cls", "super", "Self"}
_CONSTRUCTORS = {"__init__", "__new__", "constructor", "new", "New"}
# Languages in which whatever is used from another file stands in an import, by its name.
_ALL_IMPORTED = {"python", "javascript", "typescript", "tsx"}
# Of the other languages, so that no search is spent on them.
_KEYWORDS = re.compile(
    "break|case|catch|char|class|const|continue|default|double|else|enum|extern|false|final|float|for|func|function|goto"
    "|if|impl|import|int|interface|let|local|long|loop|match|mod|mut|namespace|new|nil|null|nullptr|package|private"
    "|protected|pub|public|range|return|self|Self|short|signed|sizeof|static|string|String|struct|switch|template|then"
    "|this|throws?|trait|true|try|type|typedef|union|unsafe|unsigned|use|using|var|virtual|void|while"
)
_DOTTED = re.compile(r"[^\W\d]\w*(?:(?:\.|::)[^\W\d]\w*)*")
_BASES = re.compile(r"\(([^()]*)\)$|(?:\bextends\b|\bimplements\b|(?<=[\w>])\s*:)(.*)$", re.DOTALL)
_NO_BASE = {"public", "private", "protected", "virtual", "extends", "implements", "object", "Object"}
_RETURNS = re.compile(r"\)\s*(?:->|:)\s*[\"']?(?:Optional\[|Promise<|Result<|Option<|&|\*)?([\w.]+)")


@dataclass(frozen=True)
class Need:
    """A definition that would help, by how much (`weight`, 0 to 1), and which of its members, in the file's order."""

    definition: Definition
    weight: float
    members: tuple[Definition, ...] = ()


def find(
    graph: Graph, snapshot: Snapshot, line: int, column: int, language: Language | None, shown: tuple[int, int]
) -> tuple[Need, ...]:
    """The needs at a place, the greatest first; `shown` are the lines of the document that the prompt has (0-based, end
    exclusive)."""
    seeker = _Seeker(graph, snapshot, scenes.read(snapshot, line, column, language), language, shown)
    seeker.seek()
    needs = sorted(seeker.found.values(), key=lambda need: (-need.weight, need.definition.path, need.definition.line))
    return tuple(needs[:_MOST_NEEDS])


class _Seeker:
    """Collects needs; the steps of `seek` are in the order of what matters most."""

    def __init__(
        self, graph: Graph, snapshot: Snapshot, scene: Scene, language: Language | None, shown: tuple[int, int]
    ) -> None:
        self.graph, self.snapshot, self.scene, self.shown = graph, snapshot, scene, shown
        self.language = language.name if language else ""
        self.path = snapshot.path
        self.found: dict[Definition, Need] = {}
        self.meaning = lru_cache(maxsize=256)(self._meaning)
        self.members = lru_cache(maxsize=64)(graph.members)
        self.outline = lru_cache(maxsize=64)(graph.outline)
        self.bound = lru_cache(maxsize=256)(graph.bound)
        self.bases = lru_cache(maxsize=64)(self._bases)
        self.imported = dict.fromkeys(map(_bound_name, graph.import_rows(self.path)))
        self.top_level = {row.name for row in self.outline(self.path) if not row.container}
        self.guesses = 0
        self.sought: set[Definition] = set()

    def seek(self) -> None:
        self.callees()
        self.receiver()
        self.overridden()
        self.names()
        self.imports()
        self.own_members()

    def callees(self) -> None:
        for depth, chain in enumerate(self.scene.callees[:3]):
            for definition in self.meaning(chain) or self.guess(chain):
                self.need(definition, 1.0 * 0.7**depth)

    def receiver(self) -> None:
        """The members of what stands before the dot, and of the classes that it inherits from."""
        for definition in self.meaning(self.scene.receiver) if self.scene.receiver else ():
            definition = self.instance(definition) or definition
            if definition.kind in (*_CLASSES, "module"):
                for row in (definition, *self.bases(definition)):
                    members = self.best_members(row, self.scene.typed)
                    fits = any(member.name.startswith(self.scene.typed) for member in members)
                    if members:
                        self.need(row, (0.95 if row is definition else 0.6) * (1.0 if fits else 0.4), members)

    def overridden(self) -> None:
        """The methods of the base classes where one is being written, and the one that this method overrides."""
        for base in self.own_bases():
            same = [row for row in self.members(base) if row.name == self.scene.function_name]
            if same:
                self.need(base, 0.8, same)
            elif not self.scene.function_name and (members := self.best_members(base, "")):
                self.need(base, 0.7, members)

    def names(self) -> None:
        """What the names near by mean: imported, or defined in this file where the prompt does not show it."""
        known = self.imported.keys() | self.top_level | _SELF
        weighed = sorted(self.scene.names.items(), key=lambda pair: (-pair[1], pair[0]))
        looked_up = 0
        for chain, weight in weighed:
            if chain == self.scene.receiver or looked_up >= _MOST_LOOKED_UP:
                continue
            if chain[0] in known or (len(chain) > 1 and chain[0]):
                looked_up += 1
                for definition in self.meaning(chain):
                    if definition.kind != "module" and not environments.inside(definition.path):
                        self.need(definition, weight)
            elif self.language not in _ALL_IMPORTED and len(chain[-1]) > 2:
                for definition in self.guess(chain):
                    self.need(definition, 0.7 * weight)

    def imports(self) -> None:
        """What is imported and not used yet is about to be; what is used elsewhere in the file may be used again."""
        text = self.snapshot.text
        names = [name for name in self.imported if name.isidentifier()][:_MOST_IMPORTS]
        fresh = [name for name in names if text.count(name) <= 1]
        # A file that uses little of what it imports is there to export it again.
        self.need_names(((name,) for name in fresh[:_SOME]), 0.6 * min(1.0, 3 / max(1, len(fresh))))
        others = [name for name in names if name not in fresh and (name,) not in self.scene.names]
        self.need_names(((name,) for name in others[:_SOME]), 0.1)

    def need_names(self, chains: Iterable[Chain], weight: float) -> None:
        for chain in chains:
            for definition in self.meaning(chain):
                if definition.kind != "module" and not environments.inside(definition.path):
                    self.need(definition, weight)

    def own_members(self) -> None:
        """What `self` has, in a method."""
        if self.scene.class_name and self.scene.function_name:
            for own in self.meaning((self.scene.class_name,)):
                self.need(own, 0.3, self.best_members(own, ""))

    def need(self, definition: Definition, weight: float, members: Iterable[Definition] = ()) -> None:
        """Notes a need; a member is needed as a part of its class, a class for how it is made unless `members` say."""
        if environments.inside(definition.path):
            weight *= _LIBRARY
        if definition.kind in _CLASSES and not members:
            members = self.constructor(definition)
        if definition.container and (owner := self.owner(definition)):
            definition, members = owner, (definition,)
        hidden = tuple(row for row in members if not self.is_shown(row))
        if self.is_shown(definition) and not hidden:
            return
        known = self.found.get(definition)
        if known:
            rows = sorted({*known.members, *hidden}, key=lambda row: row.start)
            self.found[definition] = Need(definition, max(weight, known.weight), tuple(rows))
        else:
            self.found[definition] = Need(definition, weight, tuple(sorted(hidden, key=lambda row: row.start)))

    def is_shown(self, row: Definition) -> bool:
        return row.path == self.path and self.shown[0] <= row.line < self.shown[1]

    def owner(self, row: Definition) -> Definition | None:
        name = row.container.rpartition(".")[2]
        around = [other for other in self.outline(row.path) if other.name == name and other.kind in _CLASSES]
        return next((other for other in around if other.start <= row.start < other.end), around[0] if around else None)

    def constructor(self, definition: Definition) -> tuple[Definition, ...]:
        """What says how a class is made: its constructor, that of a base class, or its fields."""
        for row in (definition, *self.bases(definition)):
            found = [one for one in self.members(row) if one.name in _CONSTRUCTORS or one.name == row.name]
            if found and row is definition:
                return tuple(found)
            if found:
                self.need(row, 0.9, found)
                return ()
        fields = [row for row in self.members(definition) if row.kind == "field"]
        return tuple(fields[:MOST_MEMBERS])

    def best_members(self, definition: Definition, typed: str) -> tuple[Definition, ...]:
        """The members that fit what is typed, if any do, else the public ones first; at most `MOST_MEMBERS`."""
        rows = [row for row in self.members(definition) if not self.is_shown(row)]
        rows = list({row.name: row for row in rows}.values())
        fitting = [row for row in rows if typed and row.name.startswith(typed)]
        return tuple(sorted(fitting or rows, key=lambda row: (row.name.startswith("_"), row.start))[:MOST_MEMBERS])

    def own_bases(self) -> tuple[Definition, ...]:
        """The base classes of the class around, as the document says now."""
        return self.bases_said(self.scene.class_header.rstrip(":{ "), self.path)

    def _bases(self, definition: Definition, depth: int = _DEEPEST) -> tuple[Definition, ...]:
        """The classes of the workspace that a class inherits from, nearest first."""
        if definition.kind not in _CLASSES:
            return ()
        found = self.bases_said(definition.signature, definition.path, depth)
        return tuple(row for row in found if row != definition)

    def bases_said(self, signature: str, path: str, depth: int = _DEEPEST) -> tuple[Definition, ...]:
        match = _BASES.search(signature)
        if depth == 0 or match is None:
            return ()
        found: dict[Definition, None] = {}
        for part in (match[1] or match[2] or "").split(","):
            name = next((word for word in _DOTTED.findall(part) if word not in _NO_BASE), "")
            if name and "=" not in part:
                for row in self.follow(tuple(re.split(r"\.|::", name)), path)[:1]:
                    if row.kind in _CLASSES:
                        found |= dict.fromkeys((row, *self.bases(row, depth - 1)))
        return tuple(found)

    def _meaning(self, chain: Chain) -> tuple[Definition, ...]:
        """What a dotted name means at the cursor; nothing where that cannot be told."""
        first, rest = chain[0], chain[1:]
        if not first:
            return ()
        if first in _SELF:
            own = self.bound(self.scene.class_name, self.path)[:1] if self.scene.class_name else ()
            if first == "super":
                own = self.own_bases()[:1]
            if not rest:
                return own
            return self.within(self.within(own, rest[:1]) or self.typed(chain[:2]), rest[1:])
        if first in self.imported or first in self.top_level or "*" in self.imported:
            return self.follow(chain, self.path)
        return self.within(self.typed((first,)), rest)

    def follow(self, chain: Chain, path: str) -> tuple[Definition, ...]:
        """What a dotted name means that begins with one that a file binds."""
        return self.within(self.bound(chain[0], path)[:2], chain[1:])

    def within(self, rows: Sequence[Definition], rest: Chain) -> tuple[Definition, ...]:
        """What the rest of a dotted name means inside of what its beginning does."""
        for name in rest:
            if not rows:
                return ()
            if rows[0].kind == "module":
                rows = self.bound(name, rows[0].path)[:1]
                continue
            holder = self.instance(rows[0])
            inside = self.member(holder, name) if holder else None
            rows = (inside,) if inside else ()
        return tuple(rows)

    def member(self, holder: Definition, name: str) -> Definition | None:
        """A member of a class by its name, also an inherited one."""
        found = next((row for row in self.members(holder) if row.name == name), None)
        inherited = (row for base in self.bases(holder) for row in self.members(base) if row.name == name)
        return found or next(inherited, None)

    def instance(self, row: Definition) -> Definition | None:
        """The class of what a definition gives: itself, what a function says that it returns, what a field is."""
        if row.kind in _CLASSES or row.kind == "module":
            return row
        said = _RETURNS.search(row.signature) or re.search(r"(?:=\s*(?:new\s+)?|:\s*)([\w.]+)", row.signature)
        if said is None or row in self.sought:  # what is defined by itself (`app = app.current`) leads nowhere
            return None
        self.sought.add(row)
        try:
            found = self.follow(tuple(said[1].split(".")), row.path)
        finally:
            self.sought.discard(row)
        return next((one for one in found if one.kind in _CLASSES), None)

    def typed(self, chain: Chain) -> tuple[Definition, ...]:
        """The class of a variable or of an attribute of `self`, by its annotation, its assignment or its name."""
        name = r"\s*\.\s*".join(map(re.escape, chain))
        text = self.scene.above if len(chain) == 1 else self.snapshot.text
        text = "\n".join([line for line in text.split("\n") if chain[-1] in line][-_MOST_LINES:])
        patterns = (
            rf"\b{name}\s*:=?\s*[&*\"']*(?:Optional\[|new\s+)?([^\W\d][\w.]*)",
            rf"\b{name}\s*=\s*(?:await\s+|new\s+|&)?([^\W\d][\w.]*)\s*\(",
            rf"\b([A-Z]\w*)(?:<[^<>]*>)?[\s*&]+{name}\b",
            rf"\bwith\s+([^\W\d][\w.]*)\([^\n]*\)\s+as\s+{name}\b",
        )
        said = [(match.start(), match[1]) for pattern in patterns for match in re.finditer(pattern, text)]
        for _, dotted in sorted(said, reverse=True)[:3]:
            parts = tuple(dotted.split("."))
            if parts[0] in self.imported or parts[0] in self.top_level:
                for row in self.follow(parts, self.path):
                    if found := self.instance(row):
                        return (found,)
        squeezed = chain[-1].replace("_", "").lower()
        alike = next((word for word in self.imported if word.lower() == squeezed and word != chain[-1]), None)
        rows = self.bound(alike, self.path) if alike else ()
        return tuple(row for row in rows if row.kind in _CLASSES)[:1]

    def guess(self, chain: Chain) -> tuple[Definition, ...]:
        """The definition of a name that few have, wherever it is."""
        if self.guesses >= _MOST_GUESSED or len(chain[-1]) < 3 or _KEYWORDS.fullmatch(chain[-1]):
            return ()
        self.guesses += 1
        rows = self.graph.definitions(chain[-1], self.path, limit=4)
        return rows[:1] if len(rows) <= 2 else ()


def _bound_name(row: Import) -> str:
    """The name that an import binds in its file."""
    return row.alias or row.name or re.split(r"[./:\\]+", row.module.strip("\"'<>"))[-1]
