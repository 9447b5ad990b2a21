"""The prompts of each family, character by character."""

import pytest

from foretype.model.backend import ContextFile, FimRequest
from foretype.model.fim import FAMILIES, Sentinel, Text, answer_end, crop, family_of, layout, render, written_as

PREFIX, SUFFIX = "a = ", "\nb = 2\n"
FILES = (ContextFile("lib/util.py", "X = 1\n"), ContextFile("conf.py", "Y = 2"))

ALONE = {
    "qwen2.5-coder": "<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
    "starcoder2": "<fim_prefix>a = <fim_suffix>\nb = 2\n<fim_middle>",
    "codellama": "<PRE> a =  <SUF>\nb = 2\n <MID>",
    "deepseek-coder": "<｜fim▁begin｜>a = <｜fim▁hole｜>\nb = 2\n<｜fim▁end｜>",
    "codegemma": "<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
    "codestral": "[SUFFIX]\nb = 2\n[PREFIX]a = ",
    "granite": "<fim_prefix>a = <fim_suffix>\nb = 2\n<fim_middle>",
    "granite4": "<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
    "mellum": "<fim_suffix>\nb = 2\n<fim_prefix>a = <fim_middle>",
}

WITH_FILES = {
    "qwen2.5-coder": "<|repo_name|>project\n<|file_sep|>lib/util.py\nX = 1\n<|file_sep|>conf.py\nY = 2\n"
    "<|file_sep|>main.py\n<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
    "starcoder2": "<repo_name>project<file_sep>lib/util.py\nX = 1\n<file_sep>conf.py\nY = 2"
    "<file_sep><fim_prefix>main.py\na = <fim_suffix>\nb = 2\n<fim_middle>",
    "codellama": "<PRE> # lib/util.py\nX = 1\n# conf.py\nY = 2\n# main.py\na =  <SUF>\nb = 2\n <MID>",
    "deepseek-coder": "<｜fim▁begin｜>#lib/util.py\nX = 1\n#conf.py\nY = 2\n#main.py\na = "
    "<｜fim▁hole｜>\nb = 2\n<｜fim▁end｜>",
    "codegemma": "lib/util.py\nX = 1\n<|file_separator|>conf.py\nY = 2\n<|file_separator|>main.py\n"
    "<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
    "codestral": "[SUFFIX]\nb = 2\n[PREFIX]+++++ lib/util.py\nX = 1\n+++++ conf.py\nY = 2\n+++++ main.py\na = ",
    "granite": "<filename>lib/util.py\nX = 1\n<filename>conf.py\nY = 2\n<filename>main.py\n"
    "<fim_prefix>a = <fim_suffix>\nb = 2\n<fim_middle>",
    "granite4": "<|filename|>lib/util.py\nX = 1\n<|filename|>conf.py\nY = 2\n<|filename|>main.py\n"
    "<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
    "mellum": "<filename>lib/util.py\nX = 1\n<filename>conf.py\nY = 2\n<filename>main.py\n"
    "<fim_suffix>\nb = 2\n<fim_prefix>a = <fim_middle>",
}

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


@every_family
def test_prompt_of_one_file(family):
    assert render(family, PREFIX, SUFFIX, path="main.py") == ALONE[family.name]


@every_family
def test_prompt_with_other_files(family):
    assert render(family, PREFIX, SUFFIX, FILES, "main.py") == WITH_FILES[family.name]


@every_family
def test_an_answer_ends_at_each_sentinel(family):
    parts = layout(family, PREFIX, SUFFIX, FILES, "main.py")
    assert {str(part).strip() for part in parts if isinstance(part, Sentinel)} <= set(family.stop)


@every_family
def test_text_that_looks_like_a_sentinel_stays_text(family):
    tokens = [*family.stop, *family.special]
    user = " ".join(tokens)
    parts = layout(family, user, user, [ContextFile("x", user)], "y")
    assert [part.text for part in parts if isinstance(part, Text)].count(user) == 2
    clean = render(family, "", "", [ContextFile("x", "")], "y")
    rendered = render(family, user, user, [ContextFile("x", user)], "y")
    assert [rendered.count(token) for token in tokens] == [clean.count(token) for token in tokens]


@every_family
def test_both_sides_can_be_empty(family):
    assert [part.role for part in layout(family, "", "") if isinstance(part, Text)] in (
        ["prefix", "suffix"],
        ["suffix", "prefix"],
    )


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen2.5-Coder-1.5B-Instruct", "qwen2.5-coder"),
        ("qwen2.5-coder-0.5b", "qwen2.5-coder"),
        ("qwen2", "qwen2.5-coder"),
        ("Qwen/Qwen3-Coder-30B-A3B", "qwen2.5-coder"),
        ("Qwen/CodeQwen1.5-7B", None),
        ("bigcode/starcoder2-3b", "starcoder2"),
        ("bigcode/starcoder", None),
        ("codellama/CodeLlama-7b-hf", "codellama"),
        ("code_llama", "codellama"),
        ("deepseek-ai/deepseek-coder-1.3b-base", "deepseek-coder"),
        ("deepseek-coder-v2:16b", "deepseek-coder"),
        ("deepseek-ai/DeepSeek-R1", None),
        ("google/codegemma-2b", "codegemma"),
        ("mistralai/Codestral-22B-v0.1", "codestral"),
        ("mistralai/Mamba-Codestral-7B-v0.1", None),
        ("ibm-granite/granite-3b-code-base-2k", "granite"),
        ("granite3.3:8b", "granite"),
        ("ibm-granite/granite-4.0-h-micro", "granite4"),
        ("granitemoehybrid", "granite4"),
        ("JetBrains/Mellum-4b-base", "mellum"),
        ("JetBrains/Mellum2-12B-A2.5B-Base", None),
        ("llama", None),
        ("", None),
    ],
)
def test_family_of(name, family):
    found = family_of(name)
    assert (found.name if found else None) == family


def test_crop_keeps_whole_lines_next_to_the_cursor():
    assert crop("one\ntwo\nthr", "ee\nfour\nfive", 6, 6) == ("thr", "ee\n")
    assert crop("one\ntwo", "three", 100, 100) == ("one\ntwo", "three")


def test_crop_of_a_line_longer_than_the_limit():
    assert crop("x" * 50, "y" * 50, 10, 5) == ("x" * 10, "y" * 5)


@pytest.mark.parametrize(
    ("text", "options", "end"),
    [
        ("a + b", {}, None),
        ("a + b<|x|>c", {}, 5),
        ("a\nb", {}, None),
        ("a\nb", {"single_line": True}, 1),
        ("a\r\nb", {"single_line": True}, 1),
        ("\n", {"single_line": True}, 0),
        ("a; b", {"stop": lambda text: text.find(";") if ";" in text else None}, 1),
        ("a\nb; c", {"single_line": True, "stop": lambda text: text.find(";") if ";" in text else None}, 1),
        ("a", {"stop": lambda text: 99}, 1),
    ],
)
def test_answer_end(text, options, end):
    assert answer_end(text, FimRequest("", "", **options), ("<|x|>",)) == end


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("files", WITH_FILES["qwen2.5-coder"]),
        (
            "plain",
            "<|fim_prefix|># lib/util.py\nX = 1\n// a.ts\nY = 2\n# main.py\na = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
        ),
        (
            "comment",
            "<|fim_prefix|># lib/util.py\n# X = 1\n"
            "// a.ts\n// Y = 2\n# main.py\na = <|fim_suffix|>\nb = 2\n<|fim_middle|>",
        ),
    ],
)
def test_other_files_in_another_layout(style: str, expected: str) -> None:
    files = FILES if style == "files" else (FILES[0], ContextFile("a.ts", "Y = 2"))
    assert render(written_as(FAMILIES["qwen2.5-coder"], style), PREFIX, SUFFIX, files, "main.py") == expected
