"""What is known of each programming language: how it is named, commented, quoted, blocked, and parsed.

One row a language; adding a language is adding a row. A row without a grammar still gives comments, strings and blocks
by regular expressions (`context/lexer.py`). Grammars come from their own wheels and are imported when first used; one
that does not import is as good as none. Knows nothing of cursors: those are `context/syntax.py`'s.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Literal

import tree_sitter

_log = logging.getLogger(__name__)

Style = Literal["indent", "braces", "end"]


@dataclass(frozen=True)
class Language:
    """A language. `ids` are LSP language identifiers; `extensions` are lower case with their dot, or whole file names.

    `grammar` is "module.function" in a grammar wheel, or "". `quotes` end at the end of their line at the latest,
    `long` quotes go over lines: (opening, closing). `frames` are texts to put before and after a piece of code which
    is no program by itself (a method, a match arm), so that it parses. `open_ended` are node types which may go on in
    the next line although they are complete; `terminators` are characters one of which has to end a complete statement
    for that to be certain ("" where the end of the line is enough). `opens` replaces the pattern of the style.
    """

    name: str
    ids: tuple[str, ...]
    extensions: tuple[str, ...]
    line_comment: str
    style: Style
    grammar: str = ""
    block_comment: tuple[str, str] | None = None
    quotes: str = "\"'"
    long: tuple[tuple[str, str], ...] = ()
    frames: tuple[tuple[str, str], ...] = ()
    open_ended: tuple[str, ...] = ()
    terminators: str = ";}"
    opens: str = ""

    @property
    def block_opens(self) -> str:
        """Pattern at the end of a line, comments blanked, that opens a block in the next line."""
        return self.opens or _OPENS[self.style]

    @property
    def statement_continues(self) -> str:
        """Pattern at the start of a line that goes on with the statement before it."""
        return _CONTINUES[self.style]


_OPENS: dict[Style, str] = {
    "indent": r":$",
    "braces": r"\{$|^\s*(?:case\b.*|default\s*):$",
    "end": r"\b(?:then|do|else|repeat)$|\bfunction\b[^()]*\([^()]*\)$",
}
_CONTINUES: dict[Style, str] = {
    "indent": r"(?:else|elif|except|finally)\b",
    "braces": r"(?:else|catch|finally)\b|[)\]}{?]|\.(?!\.)|&&|\|\||[-+*/] ",
    "end": r"(?:else|elseif|elsif|elif|rescue|ensure|until|end|fi|done)\b|[)\]}]|[.:]\w",
}

_C_COMMENT = ("/*", "*/")
_JS_FRAMES = (("class A {\n", "}"), ("({\n", "})"), ("switch (x) {\n", "}"))
_TS_FRAMES = (*_JS_FRAMES, ("interface A {\n", "}"), ("enum A {\n", "}"))
_JS_OPEN = ("if_statement", "try_statement", "switch_case", "switch_default")
_C_FRAMES = (("void f() {\n", "}"), ("struct A {\n", "};"), ("enum A {\n", "};"), ("int a[] = {\n", "};"))
_BACKTICK = (("`", "`"),)

LANGUAGES: tuple[Language, ...] = (
    Language(
        name="python",
        ids=("python",),
        extensions=(".py", ".pyi", ".pyw"),
        line_comment="#",
        style="indent",
        grammar="tree_sitter_python.language",
        long=(('"""', '"""'), ("'''", "'''")),
        frames=(("if x:\n pass\n", ""), ("for x in y:\n pass\n", ""), ("try:\n pass\n", "")),
        open_ended=(
            *("if_statement", "for_statement", "while_statement", "try_statement", "with_statement", "match_statement"),
            *("function_definition", "class_definition", "decorated_definition"),
            *("elif_clause", "else_clause", "except_clause", "finally_clause"),
        ),
        terminators="",
    ),
    Language(
        name="javascript",
        ids=("javascript", "javascriptreact"),
        extensions=(".js", ".mjs", ".cjs", ".jsx"),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_javascript.language",
        block_comment=_C_COMMENT,
        long=_BACKTICK,
        frames=_JS_FRAMES,
        open_ended=_JS_OPEN,
    ),
    Language(
        name="typescript",
        ids=("typescript",),
        extensions=(".ts", ".mts", ".cts"),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_typescript.language_typescript",
        block_comment=_C_COMMENT,
        long=_BACKTICK,
        frames=_TS_FRAMES,
        open_ended=_JS_OPEN,
    ),
    Language(
        name="tsx",
        ids=("typescriptreact",),
        extensions=(".tsx",),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_typescript.language_tsx",
        block_comment=_C_COMMENT,
        long=_BACKTICK,
        frames=_TS_FRAMES,
        open_ended=_JS_OPEN,
    ),
    Language(
        name="go",
        ids=("go",),
        extensions=(".go",),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_go.language",
        block_comment=_C_COMMENT,
        long=_BACKTICK,
        frames=(
            ("func f() {\n", "}"),
            ("type T struct {\n", "}"),
            ("type T interface {\n", "}"),
            ("var x = T{\n", "}"),
            ("func f() {\nswitch x {\n", "}\n}"),
            ("func f() {\nselect {\n", "}\n}"),
            ("const (\n", ")"),
        ),
        open_ended=("expression_case", "type_case", "communication_case", "default_case"),
        terminators="",
    ),
    Language(
        name="rust",
        ids=("rust",),
        extensions=(".rs",),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_rust.language",
        block_comment=_C_COMMENT,
        quotes="",
        long=(('r##"', '"##'), ('r#"', '"#'), ('"', '"')),
        frames=(
            ("fn f() {\n", "}"),
            ("trait T {\n", "}"),
            ("struct S {\n", "}"),
            ("enum E {\n", "}"),
            ("fn f() { match x {\n", "} }"),
            ("fn f() { S {\n", "} }"),
        ),
    ),
    Language(
        name="java",
        ids=("java",),
        extensions=(".java",),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_java.language",
        block_comment=_C_COMMENT,
        long=(('"""', '"""'),),
        frames=(
            ("class A {\n", "}"),
            ("interface A {\n", "}"),
            ("enum A {\n", "}"),
            ("void f() { switch (x) {\n", "} }"),
        ),
        open_ended=(
            *("if_statement", "try_statement", "try_with_resources_statement", "switch_block_statement_group"),
            "compact_constructor_declaration",  # `try {}` without its `catch` reads as one
        ),
    ),
    Language(
        name="c",
        ids=("c",),
        extensions=(".c", ".h"),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_c.language",
        block_comment=_C_COMMENT,
        frames=_C_FRAMES,
        open_ended=("if_statement", "case_statement"),
    ),
    Language(
        name="cpp",
        ids=("cpp", "cuda-cpp", "objective-cpp"),
        extensions=(".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".cu", ".cuh"),
        line_comment="//",
        style="braces",
        grammar="tree_sitter_cpp.language",
        block_comment=_C_COMMENT,
        frames=_C_FRAMES,
        open_ended=("if_statement", "try_statement", "case_statement"),
    ),
    Language(
        name="lua",
        ids=("lua",),
        extensions=(".lua",),
        line_comment="--",
        style="end",
        grammar="tree_sitter_lua.language",
        block_comment=("--[[", "]]"),
        long=(("[[", "]]"),),
        frames=(("t = {\n", "}"),),
        # what a line may go on with `or`, `..` or a method
        open_ended=("variable_declaration", "assignment_statement", "return_statement", "function_call", "field"),
        terminators="",
    ),
    Language(
        "ruby",
        ("ruby",),
        (".rb", ".rake", "rakefile", "gemfile"),
        "#",
        "end",
        opens=(
            r"\b(?:then|do|else|begin)$|\bdo\s*\|[^|]*\|$|^\s*(?:def|class|module|if|unless|elsif|while|case|when|begin)\b.*$"
        ),
    ),
    Language(
        "shell",
        ("shellscript", "sh", "bash", "zsh"),
        (".sh", ".bash", ".zsh"),
        "#",
        "end",
        quotes="",
        long=(('"', '"'), ("'", "'")),
        opens=r"\b(?:then|do|else)$|\{$",
    ),
    Language("php", ("php",), (".php",), "//", "braces", block_comment=_C_COMMENT),
    Language("csharp", ("csharp",), (".cs",), "//", "braces", block_comment=_C_COMMENT, long=(('"""', '"""'),)),
    Language("kotlin", ("kotlin",), (".kt", ".kts"), "//", "braces", block_comment=_C_COMMENT, long=(('"""', '"""'),)),
    Language("swift", ("swift",), (".swift",), "//", "braces", block_comment=_C_COMMENT, long=(('"""', '"""'),)),
    Language("scala", ("scala",), (".scala",), "//", "braces", block_comment=_C_COMMENT, long=(('"""', '"""'),)),
    Language("dart", ("dart",), (".dart",), "//", "braces", block_comment=_C_COMMENT, long=(("'''", "'''"),)),
    Language("zig", ("zig",), (".zig",), "//", "braces"),
    Language("css", ("css", "scss", "less"), (".css", ".scss", ".less"), "//", "braces", block_comment=_C_COMMENT),
    Language("json", ("json", "jsonc"), (".json", ".jsonc"), "//", "braces", quotes='"', block_comment=_C_COMMENT),
    Language("sql", ("sql",), (".sql",), "--", "braces", block_comment=_C_COMMENT),
    Language(
        "html",
        ("html", "xml", "vue"),
        (".html", ".htm", ".xml", ".vue"),
        "",
        "braces",
        quotes="",
        block_comment=("<!--", "-->"),
    ),
    Language(
        "markdown", ("markdown",), (".md",), "", "indent", quotes="", block_comment=("<!--", "-->"), opens=r"(?!)"
    ),
    Language("yaml", ("yaml", "dockercompose"), (".yaml", ".yml"), "#", "indent", quotes='"'),
    Language("toml", ("toml",), (".toml",), "#", "indent", long=(('"""', '"""'), ("'''", "'''")), opens=r"(?!)"),
    Language("make", ("makefile",), ("makefile", ".mk"), "#", "indent", quotes=""),
    Language("docker", ("dockerfile",), ("dockerfile",), "#", "indent", quotes='"', opens=r"(?!)"),
)

# What is assumed of text in a language without a row: no comments, and no single quotes (prose has apostrophes).
PLAIN = Language("plain", (), (), "", "braces", quotes='"', opens=r"[:{]$")

_BY_ID = {identifier: row for row in LANGUAGES for identifier in row.ids}
_BY_EXTENSION = {extension: row for row in LANGUAGES for extension in row.extensions}


def find(language_id: str, path: str = "") -> Language | None:
    """The row of an LSP language identifier, else of the extension or name of the file at `path`, else None."""
    if row := _BY_ID.get(language_id.lower()):
        return row
    file = PurePosixPath(path.replace("\\", "/").lower())
    return _BY_EXTENSION.get(file.suffix) or _BY_EXTENSION.get(file.name)


@cache
def parser(language: Language) -> tree_sitter.Parser | None:
    """The parser of a language, or None where it has no grammar or its wheel does not import."""
    if not language.grammar:
        return None
    module, _, function = language.grammar.rpartition(".")
    try:
        return tree_sitter.Parser(tree_sitter.Language(getattr(importlib.import_module(module), function)()))
    except Exception as error:  # a missing wheel, one without a binary for this platform, or one with another ABI
        _log.warning("no grammar for %s (%s): its text is read without one", language.name, error)
        return None
