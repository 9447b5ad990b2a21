import math
import os
from dataclasses import fields
from pathlib import Path

import pytest

from foretype.lsp import options
from foretype.lsp.options import Loaded, Options, load, markdown_table, merge, read


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "user.toml"
    path.touch()
    monkeypatch.setenv("FORETYPE_CONFIG", str(path))
    return path


@pytest.fixture
def workspace(tmp_path: Path, user: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def problem(loaded: Loaded) -> str:
    """The only problem, which is one line."""
    (line,) = loaded.problems
    assert "\n" not in line
    return line


def from_workspace(workspace: Path, text: str) -> Loaded:
    (workspace / ".foretype.toml").write_text(text, encoding="utf-8")
    return load(workspace)


def test_without_any_file_the_defaults_hold(workspace: Path) -> None:
    assert load(workspace) == load(None) == Loaded(Options(), ())


def test_later_places_win(workspace: Path, user: Path) -> None:
    keys = ("threads", "context_tokens")
    user.write_text("[model]\nthreads = 1\ncontext_tokens = 301\n[completion]\ndebounce_ms = 11\nmode = 'multi'\n")
    (workspace / ".foretype.toml").write_text("[model]\ncontext_tokens = 302\n[completion]\ndebounce_ms = 12\n")
    only_files = load(workspace)
    assert only_files.problems == ()
    assert [getattr(only_files.options.model, key) for key in keys] == [1, 302]
    loaded = load(workspace, {"completion": {"debounce_ms": 13}}, {"foretype": {"model": {"threads": 4}}, "editor": 1})
    assert loaded.problems == ()
    assert loaded.options.completion.debounce_ms == 13
    assert loaded.options.completion.mode == "multi"
    assert [getattr(loaded.options.model, key) for key in keys] == [4, 302]


def test_null_sets_nothing() -> None:
    for values in (None, {}, {"model": None}, {"model": {"threads": None}}):
        assert merge(Options(), values, "here") == Loaded(Options(), ())


def test_foretype_config_must_exist_where_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETYPE_CONFIG", str(tmp_path / "none.toml"))
    assert problem(load(None)).startswith(str(tmp_path / "none.toml"))


def test_the_users_file_lies_where_the_platform_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORETYPE_CONFIG", raising=False)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda name, **_: str(tmp_path / name))
    assert load(None) == Loaded(Options(), ())
    (tmp_path / "foretype").mkdir()
    (tmp_path / "foretype" / "foretype.toml").write_text("[log]\nlevel = 'debug'\n")
    assert load(None).options.log.level == "debug"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        # unknown names
        ({"modle": {}}, ["modle", "model"]),
        ({"model": {"thread": 2}}, ["model.", "thread", "threads"]),
        ({"zzz": 1}, ["zzz", "completion"]),
        ({"x" * 9999 + "\n": 1}, ["xxx"]),
        # wrong types
        (["model"], ["an object", "a list"]),
        ("model", ["an object", "a string"]),
        ({"model": 3}, ["model", "a section", "3"]),
        ({"model": {"name": 3}}, ["model.name", "a string", "3"]),
        ({"model": {"threads": "4"}}, ["model.threads", "a whole number", "a string"]),
        ({"model": {"threads": True}}, ["model.threads", "a whole number", "true"]),
        ({"model": {"threads": 2.5}}, ["model.threads", "a whole number", "2.5"]),
        ({"openai": {"timeout_s": False}}, ["openai.timeout_s", "a number", "false"]),
        ({"completion": {"enabled": 1}}, ["completion.enabled", "true or false", "1"]),
        ({"completion": {"enabled": "true"}}, ["completion.enabled", "true or false", "a string"]),
        ({"completion": {"disabled_languages": "lua"}}, ["disabled_languages", "a list of strings"]),
        ({"completion": {"disabled_languages": ["lua", 3]}}, ["disabled_languages", "a list of strings"]),
        # out of range
        ({"model": {"threads": -1}}, ["model.threads", "from 0 to", "-1"]),
        ({"model": {"context_tokens": 10**9}}, ["model.context_tokens", "from 256 to", "1000000000"]),
        ({"model": {"threads": 10**5000}}, ["model.threads", "huge"]),
        ({"openai": {"timeout_s": 10**5000}}, ["openai.timeout_s", "huge"]),
        ({"openai": {"timeout_s": math.nan}}, ["openai.timeout_s", "nan"]),
        ({"model": {"threads": math.inf}}, ["model.threads", "inf"]),
        ({"completion": {"mode": "both"}}, ["completion.mode", '"auto"', '"single"', '"multi"', '"both"']),
        ({"completion": {"mode": 1}}, ["completion.mode", '"auto"']),
        ({"log": {"level": "loud\n" * 99}}, ["log.level", "loud"]),
    ],
)
def test_what_is_wrong_is_named(values: object, named: list[str]) -> None:
    loaded = merge(Options(), values, "here.toml")
    line = problem(loaded)
    assert line.startswith("here.toml: ") and len(line) < 300
    assert [word for word in named if word not in line] == []
    assert loaded.options == Options()


def test_the_rest_survives_what_is_wrong() -> None:
    values = {"model": {"threads": "4", "adapter": "none"}, "zzz": {}, "log": 1, "completion": {"mode": "multi"}}
    loaded = merge(Options(), values, "here")
    assert len(loaded.problems) == 3
    assert (loaded.options.model.adapter, loaded.options.completion.mode) == ("none", "multi")


def test_numbers_of_json_become_the_options_own_type() -> None:
    loaded = merge(Options(), {"model": {"threads": 3.0}, "openai": {"timeout_s": 5}}, "here")
    assert loaded.problems == ()
    assert (loaded.options.model.threads, type(loaded.options.model.threads)) == (3, int)
    assert (loaded.options.openai.timeout_s, type(loaded.options.openai.timeout_s)) == (5.0, float)


def test_a_list_becomes_a_tuple() -> None:
    loaded = merge(Options(), {"completion": {"disabled_languages": ["lua"]}}, "here")
    assert loaded.options.completion.disabled_languages == ("lua",)
    assert hash(loaded.options)


def test_many_problems_are_counted() -> None:
    problems = merge(Options(), {f"s{i}": 1 for i in range(1000)}, "here").problems
    assert len(problems) == options.MOST_PROBLEMS + 1
    assert problems[-1] == "here: 980 more problems"


def test_a_string_in_the_wrong_place_is_not_told() -> None:
    values = {"openai": "sk-secret", "model": {"threads": "sk-secret"}}
    assert "secret" not in "".join(merge(Options(), values, "here").problems)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[model\n", "not TOML"),
        (b"a = 1\na = 2\n", "not TOML"),
        (b"[log]\nlevel = '\xff\xfe'\n", "UTF-8"),
        ("[log]\nlevel = 'debug'\n".encode("utf-16"), "UTF-8"),
        (b"\0", "not TOML"),
        (b"a = " + b"[" * 10_000, "nested"),
        (b"a = " + b"{a=" * 4_000, "nested"),
        (b"a = " + b"9" * 5_000, "not TOML"),
        (b"#" * 20_000, "larger"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(content: bytes, expected: str, user: Path) -> None:
    user.write_bytes(content)
    loaded = load(None)
    assert expected in problem(loaded) and str(user) in problem(loaded)
    assert loaded.options == Options()


def test_a_folder_in_the_place_of_a_file(tmp_path: Path, workspace: Path) -> None:
    (workspace / ".foretype.toml").mkdir()
    assert load(workspace) == Loaded(Options(), ())
    values, problems = read(tmp_path)
    assert values == {} and len(problems) == 1


def test_a_byte_order_mark_is_no_problem(user: Path) -> None:
    user.write_bytes(b"\xef\xbb\xbf[log]\r\nlevel = 'error'\r\n")
    assert load(None).options.log.level == "error"


@pytest.mark.parametrize(
    "text",
    [
        "model.backend = 'openai'",
        "model.name = '/tmp/evil.gguf'",
        "model.name = './evil'",
        "model.name = '../evil'",
        "model.name = '~/evil'",
        "model.name = 'evil/model'",
        "model.name = 'C:\\evil'",
        "model.name = 'c:evil'",
        "model.name = '\\\\host\\evil'",
        "model.name = '..'",
        "model.name = ''",
        "model.name = 'evil.gguf'",
        "model.name = 'evil.GGUF'",
        'model.name = "evil\\n"',
        "model.adapter = './evil'",
        "model.adapter = '/evil'",
        "openai.url = 'http://evil.example'",
        "openai.url = ''",
        "openai.model = 'm'",
        "openai.family = 'qwen'",
        "openai.api_key_env = 'HOME'",
        "openai.timeout_s = 1",
        "openai.retries = 1",
        "log.level = 'debug'",
    ],
)
def test_a_workspace_file_is_not_trusted(text: str, workspace: Path, user: Path) -> None:
    loaded = from_workspace(workspace, text + "\ncompletion.mode = 'single'\n")
    line = problem(loaded)
    assert text.split(" ")[0] in line and str(workspace) in line and "workspace" in line
    assert loaded.options == merge(Options(), {"completion": {"mode": "single"}}, "").options
    # The user's own file may, with the very same words (an empty name is nobody's problem here).
    user.write_text(text, encoding="utf-8")
    assert load(None).problems == ()


def test_every_option_of_the_server_and_the_log_is_closed_to_workspaces() -> None:
    everything = Options()
    for section in (everything.openai, everything.log):
        assert {option.metadata["workspace"] for option in fields(section)} == {"no"}


def test_a_workspace_file_may_name_a_model(workspace: Path) -> None:
    loaded = from_workspace(workspace, "[model]\nname = 'qwen2.5-coder-1.5b'\nadapter = 'none'\n")
    assert loaded.problems == ()
    assert (loaded.options.model.name, loaded.options.model.adapter) == ("qwen2.5-coder-1.5b", "none")


def test_a_workspace_file_may_switch_off_but_not_on(workspace: Path, user: Path) -> None:
    assert from_workspace(workspace, "completion.enabled = false").options.completion.enabled is False
    assert from_workspace(workspace, "completion.enabled = true").problems == ()
    user.write_text("completion.enabled = false\n")
    loaded = from_workspace(workspace, "completion.enabled = true")
    assert "completion.enabled" in problem(loaded)
    assert loaded.options.completion.enabled is False


def test_a_workspace_file_adds_to_the_disabled_languages(workspace: Path, user: Path) -> None:
    user.write_text("completion.disabled_languages = ['lua', 'c']\n")
    loaded = from_workspace(workspace, "completion.disabled_languages = ['go', 'c']")
    assert loaded.options.completion.disabled_languages == ("lua", "c", "go")
    # The user's own, later words replace the list.
    assert load(workspace, {"completion": {"disabled_languages": []}}).options.completion.disabled_languages == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_workspace_file_that_is_a_pipe_is_not_waited_for(workspace: Path) -> None:
    os.mkfifo(workspace / ".foretype.toml")
    assert load(workspace) == Loaded(Options(), ())


def test_every_default_passes_its_own_check_and_has_a_meaning() -> None:
    for section in fields(Options):
        standing = getattr(Options(), section.name)
        values = {option.name: option.default for option in fields(standing)}
        assert merge(Options(), {section.name: values}, "") == Loaded(Options(), ())
        for option in fields(standing):
            assert option.metadata["doc"].endswith(".")


def test_the_table_has_a_row_for_each_option() -> None:
    lines = markdown_table().splitlines()
    count = sum(len(fields(getattr(Options(), section.name))) for section in fields(Options))
    assert len(lines) == 2 + count
    assert {line.count(" | ") for line in lines if not line.startswith("|---")} == {4}
    assert (
        '| `completion.mode` | `"auto"` | one of "auto", "single", "multi" | yes '
        "| Length of a suggestion: one line, several, or what the place calls for. |"
    ) in lines
