"""Which files of a commit are left out by their names, by what changed in them, and by their text; without parsing.

Each filter's docstring says what it leaves out and where that comes from; `None` keeps the file. What only a syntax
tree can tell is `mining/syntax_filters.py`'s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from foretype.context import guard, secrets
from foretype.mining.candidate import ChangedFile, FileFilter, Stage
from foretype.mining.config import Config

# github-linguist's vendor.yml, its directories
_VENDORED = re.compile(
    r"""(?:^|/)(?:vendor(?:s|ed)?|_?vendored_?|node_modules|bower_components|third[-_]?party|3rd[-_]?party|externals?|deps
        |dist|site-packages|\.yarn|Godeps|Pods|Carthage|extern|submodules?|gradle/wrapper|_vendor)/""",
    re.VERBOSE | re.IGNORECASE,
)
_VENDORED_FILE = re.compile(
    r"(?:^|/)(?:jquery|bootstrap|angular|react|d3|lodash|modernizr|prototype)(?:[-.][\w.]*)?\.js$", re.IGNORECASE
)
_GENERATED_FILE = re.compile(
    r"""(?:^|/)(?:versioneer\.py|_version\.py|ez_setup\.py|.+[._]gen(?:erated)?\.\w+|.+\.bundle\.js|zz_generated\..+|bindata\.go|lextab\.py|yacctab\.py|parsetab\.py
        |.+\.g\.\w+|moc_.+|ui_.+\.(?:h|py)|.+_rc\.py)$|(?:^|/)(?:generated|migrations|__generated__|gen|snapshots?)/""",
    re.VERBOSE | re.IGNORECASE,
)
_TEST_DATA = re.compile(
    r"""(?:^|/)(?:testdata|test[-_]data|fixtures?|golden|corpus|samples?|snapshots|__snapshots__|cassettes|mocks?[-_]data
        |(?:tests?|specs?)/(?:data|files|resources|assets|inputs?|cases|outputs?|expected))/""",
    re.VERBOSE | re.IGNORECASE,
)
_LICENCE = re.compile(
    r"""copyright|\(c\)\s*\d{4}|licen[cs]ed?\b|spdx-|all\srights\sreserved|without\swarrant|permission\sis\shereby|as\sis
        |redistribution""",
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(r"v?\d+(?:[.\-]\w+)*")
_MARKS = b"\"'[](){},:;\\"  # of literals
_BETWEEN = _MARKS + b"=+-*/<>!&|^~%@?#$`"
_APART = bytes.maketrans(_BETWEEN, b" " * len(_BETWEEN))
_CONSTANTS = frozenset({b"true", b"false", b"null", b"none"})
_DATA_LINES = 12
_BLANK = re.compile(r"\s+")


def plain_files(file: ChangedFile, config: Config) -> str | None:
    """Symbolic links and submodules, deleted files, and changes of nothing but a mode or a name: there is no text to
    edit (gitformat-index(5), modes)."""
    change = file.change
    if change.status == "D":
        return "deleted"
    if not (change.new_mode.startswith("100") and change.old_mode[:3] in ("100", "000")):
        return "no regular file"
    return "same text" if change.old_id == change.new_id else None


def file_names(file: ChangedFile, config: Config) -> str | None:
    """Names that are not UTF-8 or hold a control character: no editor's client could say them in an address."""
    if not file.path.isprintable() or not file.change.old_path.isprintable():
        return "name that cannot be written"
    return None


def generated_names(file: ChangedFile, config: Config) -> str | None:
    """Generated, vendored, minified and lock files by their names, after github-linguist's `generated.rb` and
    `vendor.yml`."""
    return _generated(file.path)


@lru_cache(maxsize=4096)
def _generated(path: str) -> str | None:
    if guard.generated_name(path):
        return "name of a generated file"
    for pattern in (_VENDORED, _VENDORED_FILE, _GENERATED_FILE):
        if found := pattern.search(path):
            return f"name has {found[0].strip('/')}"
    return None


def test_data(file: ChangedFile, config: Config) -> str | None:
    """Files in folders of test data: inputs and expected outputs, which are dumped rather than typed."""
    found = _TEST_DATA.search(file.path)
    return f"in {found[0].strip('/')}" if found else None


def unreadable(file: ChangedFile, config: Config) -> str | None:
    """Files whose patch is not UTF-8, or that git takes for binary or too large and has no patch of."""
    return file.problem or (None if file.hunks else "no lines changed")


def long_lines(file: ChangedFile, config: Config) -> str | None:
    """Changes with a line of more than `max_line_chars` characters: minified or data. R. Li et al., "StarCoder" (2023)
    leave out files with one of more than 1,000; a ghost or an edit of that length cannot be read."""
    longest = max((len(line) for hunk in file.hunks for side in (hunk.old, hunk.new) for line in side), default=0)
    return f"a line of {longest} characters" if longest > config.max_line_chars else None


def white_space(file: ChangedFile, config: Config) -> str | None:
    """Changes of nothing but white space, in languages where that is formatting, and of blank lines in all. D. Kawrykow
    and M. Robillard, "Non-essential changes in version histories" (2011)."""
    if file.language.style == "indent":
        return "blank lines only" if all(_filled(hunk.old) == _filled(hunk.new) for hunk in file.hunks) else None
    old_text, new_text = (_BLANK.sub("", "".join(lines)) for lines in (file.removed, file.added))
    return "white space only" if old_text == new_text else None


def moved_code(file: ChangedFile, config: Config) -> str | None:
    """Changes that move lines and change none, but for their indentation (D. Kawrykow and M. Robillard, 2011)."""
    old, new = file.removed_code, file.added_code
    return "lines moved only" if len(old) == len(new) and Counter(old) == Counter(new) else None


def version_numbers(file: ChangedFile, config: Config) -> str | None:
    """Nine of ten changes (`version_bump_share`) of nothing but numbers and versions, whatever the message says."""
    if not file.removed or len(file.removed) != len(file.added):
        return None
    if [_NUMBER.sub("0", line) for line in file.removed] != [_NUMBER.sub("0", line) for line in file.added]:
        return None
    return None if config.draw("version", file.change.new_id) < config.version_bump_share else "numbers only"


def licence_headers(file: ChangedFile, config: Config) -> str | None:
    """Changes of nothing but comments at the head of a file that speak of copyright or licences: they are made by
    scripts, all at once."""
    if not all(hunk.old_start < 40 and hunk.new_start < 40 for hunk in file.hunks):
        return None
    lines = file.removed_code + file.added_code
    needed = max(1, len(lines) - sum(_is_comment(line, file) for line in lines))
    for left, line in zip(range(len(lines), 0, -1), lines, strict=True):
        if needed > left:
            break
        needed -= bool(_LICENCE.search(line))
        if not needed:
            return "licence header"
    return None


def comment_lines(file: ChangedFile, config: Config) -> str | None:
    """Changes of nothing but comment lines: prose, which a model of code has no reason to foresee."""
    lines = file.removed_code + file.added_code
    return "comments only" if lines and all(_is_comment(line, file) for line in lines) else None


def data_dumps(file: ChangedFile, config: Config) -> str | None:
    """Changes that add a dozen lines or more and of whose characters more than `max_data_share` are numbers, quotes and
    punctuation of literals. R. Li et al., "StarCoder" (2023) leave out files with few letters."""
    if len(file.added_code) < _DATA_LINES:
        return None
    whole = len("".join(" ".join(file.added_code).split()))
    text = " ".join(file.added_code).encode()
    literals = [word for word in text.translate(_APART).split() if word[:1].isdigit() or word.lower() in _CONSTANTS]
    marks = len(text) - len(text.translate(None, _MARKS))
    share = (marks + sum(len(word.decode()) for word in literals)) / whole
    return f"{share:.0%} of it is data" if share > config.max_data_share else None


def known_secrets(file: ChangedFile, config: Config) -> str | None:
    """Changes that add or remove a key or token of known shape, or a random value beside a telling name
    (`context/secrets.py`)."""
    kind = next(secrets.spans("\n".join((*file.added, *file.removed))), None)
    return f"a secret ({kind[2]})" if kind else None


def contents(file: ChangedFile, config: Config) -> str | None:
    """Files that are large (`max_file_bytes`), binary, generated by the mark in their head or the length of their
    lines (as in `context/guard.py`), or not UTF-8 throughout."""
    if file.problem:
        return file.problem
    for blob in (file.after, file.before):
        if len(blob.data) > config.max_file_bytes:
            return f"{len(blob.data)} bytes"
        if blob.refusal:
            return blob.refusal
    return None


def line_ends(file: ChangedFile, config: Config) -> str | None:
    """Files with carriage returns of their own: editors count them as line ends and git does not, so that places would
    be wrong."""
    return "carriage returns within lines" if file.after.has_lone_returns or file.before.has_lone_returns else None


def _filled(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]


def _is_comment(code: str, file: ChangedFile) -> bool:
    mark, block = file.language.line_comment, file.language.block_comment
    if mark and code.startswith(mark):
        return True
    return block is not None and (code == "*" or code.startswith((block[0], "* ", "*/")))


NAMES = tuple(FileFilter(Stage.NAMES, check) for check in (plain_files, file_names, generated_names, test_data))
HUNKS = tuple(
    FileFilter(Stage.HUNKS, check)
    for check in (
        *(unreadable, long_lines, comment_lines, white_space, moved_code, version_numbers, licence_headers),
        data_dumps,
    )
)
SECRETS = (FileFilter(Stage.HUNKS, known_secrets),)  # a look at each character, so not of commits that are too large
TEXTS = tuple(FileFilter(Stage.TEXTS, check) for check in (contents, line_ends))
