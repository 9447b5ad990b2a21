import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretype import cli
from foretype.lsp import checks
from foretype.lsp.checks import Check, Finding
from foretype.lsp.options import Loaded, ModelOptions, OpenaiOptions, Options

DEFAULTS = Options()


def found(check: Check, root: Path, options: Options = DEFAULTS) -> list[Finding]:
    return list(check(root, Loaded(options)))


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Check]]:
    kept: list[Check] = []
    monkeypatch.setattr(checks, "CHECKS", kept)
    yield kept


def test_what_may_not_be_read_is_counted_and_no_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print(1)\n")
    key = "AKIA" + "Q3EXAMPLE7ZZKJ4W"
    (tmp_path / "keys.py").write_text(f'aws = "{key}"\n')
    (tmp_path / "min.js").write_text("// @generated\nlet a = 1\n")
    (tmp_path / "ignored.py").write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    said = "\n".join(finding.what for finding in found(checks.workspace, tmp_path))
    assert "3 source files may be read" in said
    assert "ignored 1" in said
    assert "by content 1" in said
    assert said.endswith("never shown: 1")
    assert key not in said


def test_a_model_that_is_not_there_names_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path))
    states = [(finding.state, finding.mend) for finding in found(checks.model, tmp_path)]
    assert states == [("problem", "foretype model pull qwen2.5-coder-0.5b")] * 2


def test_a_damaged_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from foretype.model.catalogue import entry_named, gguf_path

    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path))
    file = gguf_path(entry_named("qwen2.5-coder-0.5b"))
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF and then nothing")
    assert "damaged" in found(checks.model, tmp_path)[0].what


def test_an_unknown_model_is_one_problem(tmp_path: Path) -> None:
    options = Options(model=ModelOptions(name="quen"))
    assert [finding.state for finding in found(checks.model, tmp_path, options)] == ["problem"]


def test_a_server_that_cannot_be_reached_is_a_problem(tmp_path: Path) -> None:
    options = Options(model=ModelOptions(backend="openai"), openai=OpenaiOptions(url="http://127.0.0.1:9/v1"))
    (finding,) = found(checks.backend, tmp_path, options)
    assert finding.state == "problem" and "127.0.0.1:9" in finding.what and finding.mend


@pytest.mark.parametrize(("flags", "state"), [({"avx2"}, "note"), ({"sse2"}, "problem")])
def test_missing_vector_instructions_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: set[str], state: str
) -> None:
    monkeypatch.setattr(checks, "_cpu_flags", lambda: frozenset(flags))
    assert state in [finding.state for finding in found(checks.processor, tmp_path)]


def test_wrong_options_are_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str], only: list[Check]) -> None:
    only.append(checks.options)
    (tmp_path / ".foretype.toml").write_text("[completion]\nspeed = 3\n")
    assert cli.main(["doctor", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "FAIL" in said and "speed" in said and "1 problem," in said


def test_a_check_that_breaks_does_not_end_the_visit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], only: list[Check]
) -> None:
    def broken(root: Path, loaded: Loaded) -> Iterator[Finding]:
        raise RuntimeError("no pulse")

    only += [broken, checks.versions]
    assert cli.main(["doctor", str(tmp_path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in told["findings"]] == ["problem", "ok"]
    assert told["problems"] == 1


def test_a_path_that_is_no_folder_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", str(tmp_path / "gone")]) == 2
    assert "not a folder" in capsys.readouterr().err
