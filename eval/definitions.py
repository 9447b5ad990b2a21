"""`foretype eval definitions`: whether the symbol graph finds what a name means, with jedi as the reference.

Names are drawn from the files of three packages of the package index that nothing here was built on: bare names that
an import or the file itself binds, attributes of an imported module, and members that the class around them defines.
jedi, which infers types, says which definition each means (`goto`, imports followed). Only definitions at the level of
a file or a class count; parameters and variables of a function are left out, and so are names that jedi cannot place.

- An answer is the first of `Graph.own_member` for `self.NAME`, else of `Graph.definitions`. It is right if it is where
  jedi says, or defines the same name in the same class or file: which of several assignments or overloads comes first
  does not matter.
- `recall`: right answers over the names whose definition is in the package, `names` of them.
- `precision`: right answers over all answers, among them any to the `outside` names, drawn alike, that mean something
  of a library, for which there is no right answer in the package.
- References are compared by line for some of the definitions found, imports among them and the definition itself not:
  the graph goes by name, so another class's member of the same name is a wrong one.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from foretype.context.graph import Graph
from foretype.context.machine import cache_dir
from foretype.context.symbols import Definition
from foretype.eval import stats
from foretype.eval.projects import packages
from foretype.eval.projects.packages import Package, PackageError
from foretype.eval.provenance import revision

Kind = Literal["imported", "same_file", "member"]
KINDS: tuple[Kind, ...] = ("imported", "same_file", "member")

_REFERENCES = 1000  # of one name that are compared


@dataclass(frozen=True)
class Use:
    """A name in a file; `line` counts from 0, `column` in characters."""

    path: str
    line: int
    column: int
    name: str
    kind: Kind


@dataclass(frozen=True)
class Meaning:
    """Where jedi says that a definition's name stands. `path` is "" outside of the package, `is_module` for a file."""

    path: str
    line: int
    column: int
    is_module: bool


@dataclass(frozen=True)
class Judged:
    """One name with what it means and what the graph says: None for no answer."""

    use: Use
    meanings: tuple[Meaning, ...]
    answer: Definition | None
    right: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--names", type=int, default=200, metavar="N", help="of all packages (default: %(default)s)")
    parser.add_argument(
        "--references", type=int, default=50, metavar="N", help="definitions to compare those of (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the sample (default: %(default)s)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the packages there (default: the cache)")
    parser.add_argument("--wrong", action="store_true", help="list the names that were answered wrongly or not at all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Runs the comparison; the exit status."""
    if args.names < 1 or args.references < 0:
        return _complain("--names must be positive and --references not negative", 2)
    try:
        import jedi  # noqa: F401
    except ImportError:
        return _complain("this needs jedi: pip install 'foretype[compare]'", 2)
    chosen = packages.DEFINITION_PACKAGES
    rows: list[Judged] = []
    found: list[tuple[int, int, int]] = []
    try:
        with tempfile.TemporaryDirectory(prefix="foretype-definitions-") as scratch:
            for at, package in enumerate(tqdm(chosen, desc="packages", file=sys.stderr, disable=None)):
                root = Path(scratch).resolve() / str(package)
                archive = packages.fetch(package, args.work or cache_dir() / "eval" / "packages")
                packages.unpack(package, archive, root)
                judged, compared = measure(
                    root,
                    package,
                    random.Random(f"{args.seed}:{package}"),
                    _share(args.names, at, len(chosen)),
                    _share(args.references, at, len(chosen)),
                )
                rows += judged
                found += compared
    except PackageError as error:
        return _complain(str(error), 1)
    if args.wrong:
        for row in rows:
            if not row.right and (row.answer or _inside(row)):
                sys.stderr.write(_story(row) + "\n")
    _tell(args, chosen, figures(rows), reference_figures(found))
    return 0


def measure(
    root: Path, package: Package, chance: random.Random, names: int, references: int
) -> tuple[list[Judged], list[tuple[int, int, int]]]:
    """The graph against jedi on the package unpacked in `root`: `names` of its names, and what was met of libraries'.

    Of up to `references` of their definitions the numbers of references: in both, in the graph, by jedi.
    """
    import jedi

    files = packages.sources(package, root)
    graph = Graph.open(root, None)
    project = jedi.Project(root / package.source_root)
    rows: list[Judged] = []
    compared = []
    try:
        graph.index(files.items(), children=0)
        inside = 0
        for use in _shuffled(files, chance):
            if inside == names:
                break
            meanings = tuple(_meanings(jedi.Script(path=root / use.path, project=project), use, root))
            if meanings:
                rows.append(judge(use, meanings, graph))
                inside += _inside(rows[-1])
        sites = {row.meanings[0]: row.use.name for row in rows if _inside(row) and not row.meanings[0].is_module}
        for meaning, name in list(sites.items())[:references]:
            script = jedi.Script(path=root / meaning.path, project=project)
            compared.append(_compare(script, meaning, name, graph, root, files))
    finally:
        graph.close()
    return rows, compared


def judge(use: Use, meanings: tuple[Meaning, ...], graph: Graph) -> Judged:
    """What the graph says first of a name, and whether it is one of its meanings."""
    own = graph.own_member(use.name, use.path, use.line) if use.kind == "member" else ()
    answer = next(iter(own or graph.definitions(use.name, use.path)), None)
    right = answer is not None and any(_same(answer, meaning, graph) for meaning in meanings)
    return Judged(use, meanings, answer, right)


def figures(rows: Iterable[Judged]) -> dict[str, Any]:
    """Precision and recall of all names and of each kind, with Wilson intervals."""
    rows = list(rows)
    found = _rates(rows, "")
    for kind in KINDS:
        found |= _rates([row for row in rows if row.use.kind == kind], f"{kind}_")
    return found


def reference_figures(compared: Iterable[tuple[int, int, int]]) -> dict[str, Any]:
    """Precision and recall of references over all places; None without any."""
    counts = list(compared)
    both, ours, theirs = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    return {
        "reference_definitions": len(counts),
        "reference_precision": both / ours if ours else None,
        "reference_recall": both / theirs if theirs else None,
    }


def uses(path: str, source: bytes) -> Iterator[Use]:
    """The names of a file that may be sampled; none of a file with a syntax error."""
    try:
        text = source.decode()
        tree = ast.parse(text)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
        return
    lines = text.splitlines(keepends=True)
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            kind: Kind = "imported" if node.id in imported else "same_file"
            yield Use(path, node.lineno - 1, _column(lines, node.lineno, node.col_offset), node.id, kind)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            if node.value.id not in imported and node.value.id not in ("self", "cls"):
                continue
            kind = "imported" if node.value.id in imported else "member"
            end = _column(lines, node.end_lineno or 0, node.end_col_offset or 0)
            yield Use(path, (node.end_lineno or 0) - 1, end - len(node.attr), node.attr, kind)


def _column(lines: list[str], line: int, offset: int) -> int:
    return len(lines[line - 1].encode()[:offset].decode(errors="replace"))


def _shuffled(files: dict[str, bytes], chance: random.Random) -> list[Use]:
    everything = [use for path, source in files.items() for use in uses(path, source)]
    chance.shuffle(everything)
    return everything


def _meanings(script: Any, use: Use, root: Path) -> Iterator[Meaning]:
    """What jedi says; nothing where that is local to a function, in an import that it cannot follow, or unknown."""
    try:
        names = script.goto(use.line + 1, use.column, follow_imports=True)
    except Exception:  # jedi raises of all kinds on code that it does not understand
        return
    for name in names:
        place = name.module_path and Path(name.module_path)
        if place is None or not place.is_relative_to(root):
            if use.kind == "imported":
                yield Meaning("", 0, 0, False)
            continue
        path = place.relative_to(root).as_posix()
        if name.type == "module":
            if name.line in (None, 1) and name.column in (None, 0):
                yield Meaning(path, 0, 0, True)
        elif name.line is not None and _outer(name) and (use.kind == "imported" or path == use.path):
            yield Meaning(path, name.line - 1, name.column, False)


def _outer(name: Any) -> bool:
    """Whether a definition is at the level of a file or a class, or is an attribute of `self`."""
    try:
        parent = name.parent()
    except Exception:
        return False
    if parent is None or parent.type in ("module", "class"):
        return name.type != "param"
    return name.type in ("statement", "instance") and name.get_line_code().lstrip().startswith(("self.", "cls."))


def _same(answer: Definition, meaning: Meaning, graph: Graph) -> bool:
    if answer.path != meaning.path:
        return False
    if meaning.is_module or answer.kind == "module":
        return meaning.is_module and answer.kind == "module"
    alike = [
        row
        for row in graph.outline(answer.path)
        if (row.name, row.container) == (answer.name, answer.container) and row.line <= meaning.line <= row.end_line
    ]
    return bool(alike)


def _compare(
    script: Any, meaning: Meaning, name: str, graph: Graph, root: Path, files: Collection[str]
) -> tuple[int, int, int]:
    try:
        names = script.get_references(meaning.line + 1, meaning.column, scope="project")
    except Exception:
        return 0, 0, 0
    places = [(Path(one.module_path), one.line - 1) for one in names if one.module_path and one.name == name]
    inside = {(path.relative_to(root).as_posix(), line) for path, line in places if path.is_relative_to(root)}
    itself = {(meaning.path, meaning.line)}
    theirs = {place for place in inside if place[0] in files} - itself
    ours = {(one.path, one.line) for one in graph.references(name, meaning.path, _REFERENCES)} - itself
    return len(ours & theirs), len(ours), len(theirs)


def _inside(row: Judged) -> bool:
    return any(meaning.path for meaning in row.meanings)


def _rates(rows: list[Judged], prefix: str) -> dict[str, Any]:
    inside = [row for row in rows if _inside(row)]
    right, answered = sum(row.right for row in rows), sum(row.answer is not None for row in rows)
    return {
        f"{prefix}names": len(inside),
        f"{prefix}outside": len(rows) - len(inside),
        f"{prefix}answered": answered,
        f"{prefix}precision": right / answered if answered else None,
        f"{prefix}precision_ci": list(stats.wilson(right, answered)),
        f"{prefix}recall": right / len(inside) if inside else None,
        f"{prefix}recall_ci": list(stats.wilson(right, len(inside))),
    }


def _tell(
    args: argparse.Namespace, chosen: tuple[Package, ...], found: dict[str, Any], references: dict[str, Any]
) -> None:
    if args.json:
        facts = {"seed": args.seed, "packages": [str(package) for package in chosen], "revision": revision()}
        sys.stdout.write(json.dumps(facts | found | references) + "\n")
        return
    sys.stdout.write(f"Definitions against jedi: {', '.join(map(str, chosen))}, seed {args.seed}\n\n")
    sys.stdout.write(f"{'names':10} {'in':>5} {'out':>5} {'precision':>23} {'recall':>23}\n")
    for kind in ("", *(f"{kind}_" for kind in KINDS)):
        cells = " ".join(f"{_rate(found, kind + figure):>23}" for figure in ("precision", "recall"))
        sys.stdout.write(
            f"{kind.strip('_') or 'all':10} {found[f'{kind}names']:5} {found[f'{kind}outside']:5} {cells}\n"
        )
    shown = [references[f"reference_{figure}"] for figure in ("precision", "recall")]
    if None not in shown:
        sys.stdout.write(
            f"\nReferences of {references['reference_definitions']} definitions, by line: "
            f"precision {shown[0]:.3f}, recall {shown[1]:.3f}\n"
        )


def _rate(found: dict[str, Any], key: str) -> str:
    if found[key] is None:
        return "-"
    low, high = found[f"{key}_ci"]
    return f"{found[key]:.3f} [{low:.3f}, {high:.3f}]"


def _story(row: Judged) -> str:
    use = row.use
    meant = ", ".join(f"{one.path}:{one.line + 1}" if one.path else "a library" for one in row.meanings)
    said = f"{row.answer.path}:{row.answer.line + 1} ({row.answer.kind})" if row.answer else "nothing"
    return f"{use.path}:{use.line + 1}:{use.column + 1} {use.name} ({use.kind}) is {meant}; said: {said}"


def _share(total: int, at: int, parts: int) -> int:
    """The `at`-th of as equal parts as can be."""
    return total * (at + 1) // parts - total * at // parts


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval definitions: {message}\n")
    return status
