"""What `foretype doctor` finds, and what it says mends it."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from foretype import cli
from foretype.lsp import checks, instructions
from foretype.lsp.checks import Check, Finding
from foretype.lsp.log import installation
from foretype.lsp.options import Loaded, ModelOptions, OpenaiOptions, Options, TelemetryOptions
from foretype.model import speed

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


def asked(url: str) -> Options:
    return Options(model=ModelOptions(backend="openai"), openai=OpenaiOptions(url=url, api_key_env="SOME_KEY"))


def test_a_server_that_cannot_be_reached_is_a_problem(tmp_path: Path) -> None:
    (finding,) = found(checks.backend, tmp_path, asked("http://127.0.0.1:9/v1"))
    assert finding.state == "problem" and "127.0.0.1:9" in finding.what and "openai.url" in finding.mend


@pytest.mark.parametrize("url", ["", "example.org/v1", "http://example.org/v1"])
def test_an_address_that_cannot_be_used_is_not_asked(tmp_path: Path, url: str) -> None:
    (finding,) = found(checks.backend, tmp_path, asked(url))
    assert finding.state == "problem" and "openai.url" in finding.what and "[openai]" in finding.mend


@pytest.mark.parametrize(
    ("status", "key", "state", "mend"),
    [
        (200, "", "ok", ""),
        (401, "", "problem", "export SOME_KEY="),
        (401, "secret", "ok", ""),
        (404, "", "ok", ""),
        (503, "", "problem", "restart"),
    ],
)
def test_what_a_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, key: str, state: str, mend: str
) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v1/models" and "Authorization" not in self.headers
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    monkeypatch.setenv("SOME_KEY", key)
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        (finding,) = found(checks.backend, tmp_path, asked(f"http://127.0.0.1:{server.server_port}/v1"))
    assert finding.state == state and mend in finding.mend and str(status) in finding.what


def test_a_backend_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_is_installed", lambda package: package != "torch")
    (finding,) = found(checks.backend, tmp_path, Options(model=ModelOptions(backend="hf")))
    assert finding.mend == "pip install 'foretype[train]'"


@pytest.mark.parametrize(
    ("machine", "flags", "states"),
    [
        ("x86_64", "sse2", ["ok", "problem"]),
        ("x86_64", "avx2", ["ok", "note"]),
        ("x86_64", "avx2 avx512_vnni", ["ok"]),
        ("x86_64", "", ["ok"]),
        ("aarch64", "asimd", ["ok", "note"]),
        ("aarch64", "asimd asimddp", ["ok"]),
    ],
)
def test_missing_vector_instructions_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, flags: str, states: list[str]
) -> None:
    monkeypatch.setattr("foretype.context.machine.cores", lambda: 4)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(instructions, "known", lambda: frozenset(flags.split()))
    findings = found(checks.processor, tmp_path)
    assert [finding.state for finding in findings] == states
    assert all(finding.mend for finding in findings if finding.state != "ok")


@pytest.mark.parametrize(
    ("cores", "threads", "mend"), [(1, 0, "prefix_tokens"), (2, 4, "model.threads"), (2, 2, ""), (8, 0, "")]
)
def test_too_few_cores_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, mend: str
) -> None:
    monkeypatch.setattr("foretype.context.machine.cores", lambda: cores)
    monkeypatch.setattr(instructions, "known", frozenset)
    told = [one.mend for one in found(checks.processor, tmp_path, Options(model=ModelOptions(threads=threads)))]
    assert mend in told[-1] and bool(told[-1]) == bool(mend)


@pytest.mark.parametrize("now_ms", [300.0, 9000.0])
def test_a_speed_that_was_remembered_as_slow_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now_ms: float
) -> None:
    asked = []

    def measured(path: Path, threads: int, anew: bool = False) -> dict[str, speed.Times]:
        asked.append(anew)
        return {"onnx": speed.Times(40.0, now_ms if anew else 9000.0, 20.0)}

    monkeypatch.setattr(speed, "measured", measured)
    said = checks._speed(tmp_path, ModelOptions())
    assert asked == [False, True] and said.prompt_tokens_per_s == 256_000 / now_ms
    asked.clear()
    monkeypatch.setattr(checks, "_SLOW_PROMPT_TOKENS_PER_S", 1.0)
    checks._speed(tmp_path, ModelOptions())
    assert asked == [False]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="only Linux lets go of what it has read")
@pytest.mark.parametrize(("fast_mib_per_s", "state"), [(0.0, "ok"), (math.inf, "note")])
def test_a_slow_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast_mib_per_s: float, state: str
) -> None:
    monkeypatch.setattr(checks, "_SLOW_DISK_MIB_PER_S", fast_mib_per_s)
    (tmp_path / "weights").write_bytes(bytes(1 << 20))
    (finding,) = checks._disk(tmp_path / "model.onnx")
    assert finding.state == state and ("FORETYPE_CACHE" in finding.mend) == (state == "note")


def test_an_event_log_that_is_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    assert [one.state for one in found(checks.telemetry, tmp_path)] == ["ok"]
    (finding,) = found(checks.telemetry, tmp_path, Options(telemetry=TelemetryOptions(enabled=False)))
    assert finding.state == "note" and "foretype.toml" in finding.mend
    installation.switch(False)
    (finding,) = found(checks.telemetry, tmp_path)
    assert (finding.state, finding.mend) == ("note", "foretype telemetry on")


def test_a_damaged_event_log_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path))
    installation.database().write_bytes(b"no database" * 1000)
    (finding,) = found(checks.telemetry, tmp_path)
    assert finding.state == "problem" and "foretype telemetry purge" in finding.mend


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('bias = 0.0\nmodel = "qwen2.5-coder-0.5b"\n[weights]\n', "ok"),
        ('bias = 0.0\nmodel = "another"\n[weights]\n', "note"),
        ("bias = 0.0\n[weights]\nshoe_size = 1.0\n", "problem"),
    ],
)
def test_a_gate_that_is_not_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, state: str
) -> None:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path))
    assert found(checks.gate, tmp_path) == []
    (tmp_path / "gate.toml").write_text(text)
    (finding,) = found(checks.gate, tmp_path)
    assert finding.state == state and ("foretype gate fit" in finding.mend) == (state != "ok")


def test_whoever_else_draws_ghost_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    monkeypatch.delenv("NVIM_APPNAME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    listed = tmp_path / ".vscode" / "extensions" / "extensions.json"
    listed.parent.mkdir(parents=True)
    listed.write_text(json.dumps([{"identifier": {"id": id}} for id in ("GitHub.copilot", "ms-python.python")]))
    (tmp_path / ".cursor" / "extensions").mkdir(parents=True)
    (tmp_path / ".cursor" / "extensions" / "extensions.json").write_text("[not JSON")
    (tmp_path / "xdg" / "nvim" / "site" / "pack" / "mine" / "start" / "llama.vim").mkdir(parents=True)
    code, neovim = found(checks.plugins, tmp_path)
    assert {code.state, neovim.state} == {"note"}
    assert "GitHub Copilot" in code.what and "code --uninstall-extension github.copilot" in code.mend
    assert "llama.vim" in neovim.what and ":checkhealth foretype" in neovim.mend


def test_nobody_else_draws_ghost_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert found(checks.plugins, tmp_path) == []


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
