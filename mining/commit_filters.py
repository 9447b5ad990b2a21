"""Which commits are left out by what is said of them: their words, their authors, and the names of their files.

Each filter's docstring says what it leaves out and where that comes from; `None` keeps the commit. Knows no text of any
file.
"""

from __future__ import annotations

import re
from functools import lru_cache

from foretype.mining.candidate import Candidate, CommitFilter, Stage
from foretype.mining.config import Config

REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{7,64})", re.MULTILINE)
_REVERT = re.compile(r"(?:revert|back(?:ed)?[ -]?out)\b", re.IGNORECASE)
_BOT = re.compile(
    r"""\[bot\]|\bbot\b|-bot@|\b(?:dependabot|renovate|greenkeeper|pyup|snyk|weblate|transifex|crowdin|imgbot|mergify
        |allcontributors|github-actions?|gitlab-ci|travis-?ci|jenkins|pre-commit-ci|semantic-release|release-please
        |auto-?merge|autoroll|buildbot|codecov|whitesource|deepsource|scala-steward|copybara|homu|bors)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_VERSION = r"v?\d+(?:\.\d+)+[-.\w]*"
_BUMP = re.compile(
    rf"""(?:chore|build|release|ci)?(?:\([^)]*\))?:?\s*(?:
        (?:bump|upgrade|update|increment|set|change|start|prepare|begin|open)\w*\s(?:.{{0,40}}\s)?(?:to|for|from)?\s*
            (?:version|development|release|{_VERSION})
      | (?:release|releasing|version|tag|cut)\w*\s(?:.{{0,20}}\s)?{_VERSION}
      | {_VERSION}$ | bump\w*\s(?:the\s)?version | post[- ]release
      | (?:bump|upgrade|pin|unpin|update)\w*\s.{{0,40}}\bdep(?:s|endenc)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_MERGE = re.compile(
    r"merge(?:d)?\s(?:branch|pull request|remote|tag|commit|in|from|upstream|master|main|origin)\b", re.IGNORECASE
)
_EMPTY = re.compile(
    r"""(?:wip|tmp|temp|test(?:ing)?|save|checkpoint|snapshot|backup|sync|misc|stuff|changes?|updates?d?|fix(?:e[sd]|up)?|edit(?:s|ed)?
        |minor(?:\s(?:changes?|fix(?:es)?|edits?|updates?))?|small\sfix(?:es)?|more\s(?:changes|fixes|stuff|work)|oops|typos?|cleanup
        |initial(?:\scommit|\simport)?|first\scommit|(?:add|upload)(?:ed)?\sfiles?(?:\svia\supload)?|(?:update|create|delete|rename)\s\S+
        |[\W\d_]*|\w)[\s.!]*""",
    re.VERBOSE | re.IGNORECASE,
)


def merges(candidate: Candidate, config: Config) -> str | None:
    """Commits with several parents, and squashed merges by their words: their changes are others'. A. E. Hassan, "The
    road ahead for mining software repositories" (2008); left out by CommitPack, too."""
    parents = len(candidate.commit.parents)
    if parents > 1:
        return f"{parents} parents"
    return "message of a merge" if _MERGE.match(candidate.commit.subject) else None


def dates(candidate: Candidate, config: Config) -> str | None:
    """Commits outside of `since` and `until`, by the author's date, so that a model is tested on what came later."""
    time = candidate.commit.time
    early = config.since is not None and time < config.since
    late = config.until is not None and time >= config.until
    return "too early" if early else "too late" if late else None


def authors(candidate: Candidate, config: Config) -> str | None:
    """Commits of the authors that the options leave out, by a part of their name or address after the mailmap."""
    if not config.authors:
        return None
    who = f"{candidate.commit.author} <{candidate.commit.email}>".lower()
    return next((f"author {part}" for part in config.authors if part.lower() in who), None)


def reverts(candidate: Candidate, config: Config) -> str | None:
    """Commits that take another back: nobody types them. By git-revert(1)'s words, or a subject that says so."""
    commit = candidate.commit
    return "a revert" if REVERTS.search(commit.message) or _REVERT.match(commit.subject) else None


def reverted(candidate: Candidate, config: Config) -> str | None:
    """Commits that a later one took back, by the id in git-revert(1)'s words: what was wrong is not to be learnt."""
    return "taken back later" if candidate.reverted else None


def bots(candidate: Candidate, config: Config) -> str | None:
    """Commits of programs, by name and address. T. Dey et al., "Detecting and characterizing bots that commit code"
    (2020) find "bot" as a word of the name to be the surest sign; the rest are services that name themselves."""
    return _bot(candidate.commit.author, candidate.commit.email)


@lru_cache(maxsize=4096)
def _bot(author: str, email: str) -> str | None:
    found = _BOT.search(author) or _BOT.search(email)
    return f"author matches {found[0]!r}" if found else None


def version_bumps(candidate: Candidate, config: Config) -> str | None:
    """Nine of ten commits (`version_bump_share`) whose subject speaks of a version or of dependencies: the same few
    edits in every repository. Z. Liu et al., "Neural-machine-translation-based commit message generation" (2018)."""
    if not _BUMP.match(candidate.commit.subject):
        return None
    kept = config.draw("version bump", candidate.commit.sha) < config.version_bump_share
    return None if kept else "subject of a version bump"


def messages_without_content(candidate: Candidate, config: Config) -> str | None:
    """Commits whose message says nothing of their purpose: they are mostly several things at once. Y. Tian et al.,
    "What makes a good commit message?" (2022); the words are those CommitPack and NNGen leave out."""
    return "message without content" if _EMPTY.fullmatch(candidate.commit.message) else None


def many_changes(candidate: Candidate, config: Config) -> str | None:
    """Commits of more than `max_changes` files of any kind: imports, moves, licences, formatting (A. Hindle et al.,
    "What do large commits tell us?", 2008)."""
    count = len(candidate.changes)
    return f"{count} files" if count > config.max_changes else None


def moved_files(candidate: Candidate, config: Config) -> str | None:
    """Commits in which half of at least six files were renamed: a reorganisation, whose edits follow from no text."""
    renamed = sum(change.status == "R" for change in candidate.changes)
    return f"{renamed} files renamed" if renamed > 2 and 2 * renamed >= len(candidate.changes) >= 6 else None


def many_files(candidate: Candidate, config: Config) -> str | None:
    """Commits of more than `max_files` source files; see `Config`."""
    count = len(candidate.files)
    return f"{count} source files" if count > config.max_files else None


def many_hunks(candidate: Candidate, config: Config) -> str | None:
    """Commits of more than `max_hunks` hunks, or of `max_renamed_hunks` where all are one renaming; see `Config`."""
    count = sum(len(file.hunks) for file in candidate.files)
    return f"{count} hunks" if count > (config.max_renamed_hunks if candidate.renames else config.max_hunks) else None


def many_characters(candidate: Candidate, config: Config) -> str | None:
    """Commits with more than `max_changed_chars` characters in lines added and removed, or fewer than
    `min_changed_chars`; see `Config`. A renaming may have ten times as many."""
    count = sum(file.changed_chars for file in candidate.files)
    if count < config.min_changed_chars:
        return f"{count} characters"
    return f"{count} characters" if count > config.max_changed_chars * (10 if candidate.renames else 1) else None


WORDS = tuple(
    CommitFilter(Stage.WORDS, check)
    for check in (merges, dates, authors, reverts, reverted, bots, version_bumps, messages_without_content)
)
NAMES = tuple(CommitFilter(Stage.NAMES, check) for check in (many_changes, moved_files))
SOURCES = (CommitFilter(Stage.NAMES, many_files),)
HUNKS = tuple(CommitFilter(Stage.HUNKS, check) for check in (many_hunks, many_characters))
