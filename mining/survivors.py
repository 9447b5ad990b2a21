"""One repository's commits through all stages of filters: read no more of a commit than the next filter needs.

Newest first, so that a revert is met before what it takes back, and a text or tree of one commit is soon met again in
the one before it. Knows nothing of rows.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import tree_sitter

from foretype.context import languages
from foretype.mining import filters
from foretype.mining.blobs import Blobs
from foretype.mining.candidate import Candidate, ChangedFile, Stage
from foretype.mining.commit import Commit, FileTexts
from foretype.mining.commit_filters import REVERTS
from foretype.mining.config import Config
from foretype.mining.filters import Tally
from foretype.mining.git import History
from foretype.mining.renaming import is_renaming
from foretype.mining.trees import TreeCache

_AT_ONCE = 64  # commits that go through a stage together
_READ_AT_ONCE = 8  # commits whose texts are in memory together
_COLLECTED_EVERY = 50_000  # objects; Python's own 700 have it look for cycles, of which there are next to none here


@dataclass(frozen=True)
class Survivor:
    """A commit that passed, with those of its files that did. `renames`: all of its hunks are one renaming. `trees` are
    those of the texts after it, by path, for the files that were parsed."""

    commit: Commit
    files: tuple[FileTexts, ...]
    renames: bool
    trees: Mapping[str, tree_sitter.Tree]


def survivors(history: History, config: Config, tally: Tally, last: Stage = Stage.SECRETS) -> Iterator[Survivor]:
    """The commits that pass all stages up to `last`, newest first. `seen` of the tally counts all commits."""
    words = _by_words(history, config, tally)
    trees, blobs = TreeCache(), Blobs(history)
    while chunk := list(islice(words, _AT_ONCE)):
        found = _with_hunks(history, _with_names(history, chunk, config, tally), config, tally)
        for candidate in _with_texts(blobs, found, config, tally) if last >= Stage.TEXTS else found:
            if last >= Stage.SYNTAX:
                for file in candidate.files:
                    _parse(file, trees)
                if not filters.passes(Stage.SYNTAX, candidate, config, tally):
                    continue
            if last >= Stage.SECRETS and not filters.passes(Stage.SECRETS, candidate, config, tally):
                continue
            files = candidate.files
            after = {file.path: file.trees.after for file in files if file.trees}
            yield Survivor(candidate.commit, tuple(map(_file_texts, files)), candidate.renames, after)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Lets Python look for cycles of objects less often: a twentieth of the time that filters take."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECTED_EVERY, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def pathspecs(config: Config) -> list[str]:
    """What git has to be asked for so that it says nothing of files in other languages."""
    rows = [row for row in languages.LANGUAGES if row.name in config.languages]
    return [f":(icase)*{extension}" for row in rows for extension in row.extensions]


def _by_words(history: History, config: Config, tally: Tally) -> Iterator[Candidate]:
    taken_back: set[str] = set()
    for number, commit in enumerate(history.commits(config.first_parent)):
        if config.max_commits and number >= config.max_commits:
            return
        tally.seen += 1
        taken_back.update(REVERTS.findall(commit.message))
        candidate = Candidate(commit, reverted=bool(taken_back) and _in(commit.sha, taken_back))
        if filters.passes(Stage.WORDS, candidate, config, tally):
            yield candidate


def _with_names(history: History, chunk: list[Candidate], config: Config, tally: Tally) -> Iterator[Candidate]:
    for candidate, (_, changes) in zip(chunk, history.changes(one.commit.sha for one in chunk), strict=True):
        if changes is None:
            tally.reject("unreadable_commit", "", "an object is missing or corrupt")
            continue
        candidate.changes = changes
        for change in changes:
            language = _language(change.path)
            if language and language.name in config.languages:
                candidate.files.append(ChangedFile(change, language))
        if not candidate.files:
            tally.reject("no_source", "", "no file in a language that is mined")
        elif filters.passes(Stage.NAMES, candidate, config, tally):
            yield candidate


def _with_hunks(history: History, candidates: Iterable[Candidate], config: Config, tally: Tally) -> Iterator[Candidate]:
    waiting = list(candidates)
    changes = [file.change for one in waiting for file in one.files]
    endings = {_ending(path) for change in changes for path in (change.old_path, change.path)}
    patches = history.patches((one.commit.sha for one in waiting), endings)
    for candidate, (_, patch) in zip(waiting, patches, strict=True):
        if patch is None:
            tally.reject("unreadable_commit", "", "an object is missing or corrupt")
            continue
        for file in candidate.files:
            if found := patch.get((file.change.old_id, file.change.new_id)):
                file.hunks, file.problem = found
        candidate.renames = is_renaming([hunk for file in candidate.files for hunk in file.hunks])
        if filters.passes(Stage.HUNKS, candidate, config, tally):
            yield candidate


def _with_texts(blobs: Blobs, candidates: Iterator[Candidate], config: Config, tally: Tally) -> Iterator[Candidate]:
    while some := list(islice(candidates, _READ_AT_ONCE)):
        read = blobs.read(
            name for one in some for file in one.files for name in (file.change.old_id, file.change.new_id)
        )
        for candidate in some:
            for file in candidate.files:
                before, after = read[file.change.old_id], read[file.change.new_id]
                if before is None or after is None:
                    file.problem = "an object is missing or corrupt"
                else:
                    file.before, file.after = before, after
            if filters.passes(Stage.TEXTS, candidate, config, tally):
                yield candidate


def _parse(file: ChangedFile, trees: TreeCache) -> None:
    if languages.parser(file.language):
        change = file.change
        paths, ids = (change.old_path, change.path), (change.old_id, change.new_id)
        file.trees = trees.trees(file.language, paths, ids, (file.before, file.after), file.hunks)


def _file_texts(file: ChangedFile) -> FileTexts:
    change = file.change
    return FileTexts(change.path, change.old_path, file.language, file.before.text, file.after.text, file.hunks)


@lru_cache(maxsize=4096)
def _language(path: str) -> languages.Language | None:
    return languages.find("", path)


@lru_cache(maxsize=4096)
def _ending(path: str) -> str:
    """The extension of a path, its dot included, or the name where that has none."""
    name = path.rpartition("/")[2]
    return name[name.rindex(".") :] if "." in name else name


def _in(sha: str, prefixes: set[str]) -> bool:
    return sha in prefixes or any(len(prefix) < len(sha) and sha.startswith(prefix) for prefix in prefixes)
