"""Golden cases of `node_end`: a source with `<|>` at the cursor, `=== generated`, then `=== kept` or `=== goes on`.

The language's identifier is the first word of the file's name.
"""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context import languages, syntax

CASES = sorted((Path(__file__).parent.parent / "golden" / "syntax").glob("*.txt"))


def read_case(file: Path) -> tuple[str, str, str, str | None]:
    source, generated, verdict, kept = re.fullmatch(
        r"(.*)\n=== generated\n(.*)\n=== (kept|goes on)\n(.*)", file.read_text("utf-8"), re.DOTALL
    ).groups()
    prefix, _, suffix = source.partition("<|>")
    return prefix, suffix, generated, kept.removesuffix("\n") if verdict == "kept" else None


@pytest.mark.parametrize("step", [1, 5, 10_000], ids=["by character", "by token", "at once"])
@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_node_end(file: Path, step: int) -> None:
    prefix, suffix, generated, kept = read_case(file)
    stop = syntax.node_end(prefix, suffix, languages.find(file.stem.partition("_")[0]))
    lengths = range(step, len(generated) + step, step)
    ends = (stop(generated[:length]) for length in lengths)
    end = next((end for end in ends if end is not None), None)
    assert (None if end is None else generated[:end]) == kept


def test_every_language_with_a_grammar_has_golden_cases() -> None:
    covered = {languages.find(file.stem.partition("_")[0]) for file in CASES}
    assert {row.name for row in languages.LANGUAGES if row.grammar} <= {row.name for row in covered if row}


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        ("python", "x = 1<|>", "code"),
        ("python", "x = 'a<|>b'", "string"),
        ("python", "x = 'a'<|>", "code"),
        ("python", "x = <|>'a'", "code"),
        ("python", "print('it<|>", "string"),
        ("python", "x = f'{a<|>}'", "code"),
        ("python", "x = f'{a}b<|>'", "string"),
        ("python", "x = 1  # it's<|>", "comment"),
        ("python", "x = 1  # it's\n<|>", "code"),
        ("python", 'def f():\n    """Say\n    <|>\n    """\n', "string"),
        ("python", 'def f():\n    """Say<|>\n\ndef g(:\n    pass\n', "string"),
        ("python", "x = '#' + <|>", "code"),
        ("javascript", "const a = `b ${c<|>} d`;", "code"),
        ("javascript", "const a = `b ${c} d<|>`;", "string"),
        ("javascript", "const a = `b<|>", "string"),
        ("javascript", "f(/'/, <|>);", "code"),
        ("javascript", "/* a\n<|>\n*/ f();", "comment"),
        ("javascript", "/* a */<|> f();", "code"),
        ("javascript", "/** a <|>", "comment"),
        ("typescriptreact", "const a = <p>don't <|></p>;", "code"),
        ("go", "x := `a\n<|>`", "string"),
        ("go", "x := '\"' + <|>", "code"),
        ("rust", "fn f<'a>(x: &'a str<|>) {}", "code"),
        ("rust", "/// doc <|>\nfn f() {}", "comment"),
        ("rust", "/// doc\n<|>fn f() {}", "code"),
        ("rust", 'f("a\n b<|>', "string"),
        ("java", 'String s = """\n a<|>\n """;', "string"),
        ("c", "char c = '\"'; <|>", "code"),
        ("c", "#include <st<|>dio.h>\n", "string"),
        ("lua", "x = [[a\n<|>]]", "string"),
        ("lua", "--[[ a\n<|>\n]]", "comment"),
        ("lua", "-- a<|>", "comment"),
        ("ruby", "x = 'a' # <|>", "comment"),
        ("ruby", 'x = "a <|>', "string"),
        ("plaintext", "don't <|>", "code"),
    ],
)
def test_scope(language: str, source: str, expected: str) -> None:
    prefix, _, suffix = source.partition("<|>")
    assert syntax.scope(prefix, suffix, languages.find(language)) == expected


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        ("python", "def f():<|>", "single"),
        ("python", "def f():\n    <|>", "multi"),
        ("python", "def f():  # why\n    # how\n    <|>", "multi"),
        ("python", "def f():\n<|>", "multi"),
        ("python", "def f():\n    x = 1\n    <|>\n    return x", "multi"),
        ("python", "def f():\n    x = 1\n<|>\n    return x", "multi"),
        ("python", "def f():\n    x = 1\n<|>\n\nf()", "single"),
        ("python", "x = 1\n<|>\n", "single"),
        ("python", "<|>", "single"),
        ("python", "class A:\n    @property\n    <|>", "single"),
        ("python", "def f():\n    x = <|>", "single"),
        ("python", "def f():\n    x = \\\n        <|>", "single"),
        ("python", "f(\n    a,\n    <|>\n)", "single"),
        ("python", "x = {\n    'a':\n    <|>\n}", "single"),
        ("python", 'def f():\n    """A:\n    <|>\n    """', "single"),
        ("python", "def f():\n    # a:<|>", "single"),
        ("python", "x = [a for <|> in b]", "single"),
        ("javascript", "function f() {\n  <|>\n}", "multi"),
        ("javascript", "function f() { <|> }", "single"),
        ("javascript", "f(() => {\n  a();\n<|>\n});", "multi"),
        ("javascript", "f(\n  <|>\n);", "single"),
        ("javascript", "const a = b +\n  <|>", "single"),
        ("javascript", "a();\n<|>\n", "single"),
        ("javascript", "switch (x) {\n  case 1:\n    <|>\n}", "multi"),
        ("go", "func f() {\n\t<|>\n}", "multi"),
        ("rust", "fn f() {\n    let x = 1;\n    <|>\n}", "multi"),
        ("java", "class A {\n    @Override\n    <|>\n}", "single"),
        ("c", "int f(void)\n{\n    <|>\n}", "multi"),
        ("lua", "local f = function(a, b)\n  <|>\nend", "multi"),
        ("lua", "if x then\n  <|>\nend", "multi"),
        ("lua", "x = 1\n<|>", "single"),
        ("ruby", "xs.each do |x|\n  <|>\nend", "multi"),
        ("markdown", "Things:\n\n<|>", "single"),
        ("plaintext", "Things\n<|>", "single"),
    ],
)
def test_mode(language: str, source: str, expected: str) -> None:
    prefix, _, suffix = source.partition("<|>")
    assert syntax.mode(prefix, suffix, languages.find(language)) == expected


def test_far_text_is_not_parsed() -> None:
    line = "def f():\n    return '''a'''\n"
    before, after = syntax.around(line * 2000 + "x = 1", line * 2000)
    assert len(before) <= syntax.WINDOW_BEFORE and len(after) <= syntax.WINDOW_AFTER
    assert before.startswith("def f()") and before.endswith("x = 1") and after.endswith("\n")


BROKEN = st.text(alphabet="ab1_ \n\r\t\"'`(){}[]#/*\\-:;,=<>$éß\u2028\ud800", max_size=60)


@settings(max_examples=150, deadline=None)
@given(BROKEN, BROKEN, BROKEN, st.sampled_from([*languages.LANGUAGES, None]))
def test_broken_text_never_raises(
    prefix: str, suffix: str, generated: str, language: languages.Language | None
) -> None:
    assert syntax.scope(prefix, suffix, language) in ("code", "comment", "string")
    assert syntax.mode(prefix, suffix, language) in ("single", "multi")
    stop = syntax.node_end(prefix, suffix, language)
    for length in range(len(generated) + 1):
        end = stop(generated[:length])
        assert end is None or 0 <= end <= length
