"""Scenarios of next edits that other projects keep as text archives, read as cases.

A text archive (txtar, of the Go project's golang.org/x/tools) is a head and files in one text, each below a line
`-- NAME --`. A scenario, in the form that cursortab.nvim uses, has in its head a description and lines `key: value`, of
which `id`, `language`, `file` (the path) and `row` (of the cursor, from 1) are used here; and these files:

    -- buffer.txt --     the text as it is now
    -- history --        the edits made before, oldest first, each as
    <|file|> PATH        the file that was edited
    <|old|>              lines before the edit, with some around them
    <|new|>              the same lines after it
    -- expected --       the text as it should become; the same text where nothing is due

The text before the edits is made by taking those of the file back, the last one first, where their new lines are in it
exactly once. `-- steps --` and other files are left out: they drive another editor. Each such archive is a file
`*.txtar` in the folder.
"""

from __future__ import annotations

import re
from pathlib import Path

from foretype.context import languages
from foretype.context.next_edit import EditedFile
from foretype.eval.next_edits.cases import CaseError, EditCase

_FILE = re.compile(r"^-- (.+?) --\n", re.MULTILINE)
_HEADER = re.compile(r"([\w-]+):\s*(.*)\Z")
_EDIT = re.compile(r"<\|file\|>[ \t]*([^\n]*)\n<\|old\|>\n(.*?)<\|new\|>\n(.*?)(?=<\|file\|>|\Z)", re.DOTALL)


def read_folder(folder: Path) -> list[EditCase]:
    """The scenarios of a folder by name. Raises `CaseError`."""
    paths = sorted(folder.glob("*.txtar"))
    if not paths:
        raise CaseError(f"{folder} has no scenarios: give the folder that holds the .txtar files")
    cases = []
    for path in paths:
        try:
            cases.append(parse(path.stem, path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise CaseError(f"{path} cannot be read: {error}") from error
    return cases


def parse(name: str, text: str) -> EditCase:
    """The scenario that an archive holds. Raises `CaseError`."""
    head, files = archive(text)
    headers, words = {}, []
    for line in head.split("\n"):
        header = _HEADER.match(line)
        if header:
            headers[header[1]] = header[2].strip()
        elif line.strip():
            words.append(line.strip())
    for needed in ("buffer.txt", "expected"):
        if needed not in files:
            raise CaseError(f"{name}.txtar: the file '-- {needed} --' is missing")
    path = headers.get("file", "")
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise CaseError(f"{name}.txtar: 'file: {path}' in its head is no relative path")
    language = languages.find(headers.get("language", ""), path)
    now, said = files["buffer.txt"], language.name if language else ""
    edits = _EDIT.findall(files.get("history", ""))
    steps, text = list[EditedFile](), now
    for where, old, new in reversed(edits):
        if where.strip() == path and new and text.count(new) == 1:
            before = text.replace(new, old)
            steps.insert(0, EditedFile(path, said, before, text))
            text = before
    edited = (EditedFile(path, said, text, now),) if text != now else ()
    return EditCase(
        *(name, headers.get("id", name), " ".join(words), "scenario"),
        lane="any",
        language=said,
        files={path: now},
        edited=edited,
        steps=tuple(steps),
        expected=({path: files["expected"]},),
        alone=(),
        diagnostics=(),
    )


def archive(text: str) -> tuple[str, dict[str, str]]:
    """The head of a text archive and its files by name; each ends with a line break."""
    head, *rest = _FILE.split(text.replace("\r\n", "\n"))
    return head, dict(zip(rest[::2], rest[1::2], strict=True))
