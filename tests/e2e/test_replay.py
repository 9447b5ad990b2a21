"""Replay with the real server in its own process, which gets its answers from a scripted completion server."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import SERVE, options, until
from stub_openai import StubOpenAI

from foretype.eval import replay
from foretype.eval.typing import play
from foretype.eval.typing.foretype_server import ForetypeServer, ServerError
from foretype.eval.typing.keystrokes import Key
from foretype.eval.typing.traces import File, Insert, Move, Open, Trace

TEXT = "def total(values):\n    return sum(values)\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whose second commit adds a line."""
    root = tmp_path_factory.mktemp("repository")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for text in (TEXT, TEXT + "\n\nprint(total([1, 2, 3]))\n"):
        (root / "a.py").write_bytes(text.encode())
        subprocess.run([*git, "add", "a.py"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "a commit"], check=True)
    return root


GOAL = "print(total([1, 2, 3]))"


def command(repository: Path, *more: str) -> int:
    """Replays with a model that always knows the rest of the line: it is accepted as soon as it is there."""

    def script(prompt: str, suffix: str) -> str:
        line = prompt.rpartition("\n")[2]
        return GOAL[len(line) :] if line and GOAL.startswith(line) else ""

    with StubOpenAI() as stub:
        stub.script = script
        given = [
            f"{section}.{key}={json.dumps(value)}"
            for section, pairs in options(stub.url).items()
            for key, value in pairs.items()
        ]
        parser = argparse.ArgumentParser()
        replay.add_arguments(parser)
        words = [str(repository), "--clock", "virtual", "--json", *(word for item in given for word in ("--set", item))]
        return replay.run(parser.parse_args([*words, *more]))


def test_the_command_with_the_real_server(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(repository) == 0
    ours = json.loads(capsys.readouterr().out)["foretype"]
    assert ours["opportunities"] == 3 + len(GOAL)  # three times Return
    assert ours["accepted"] == 1
    assert ours["characters"] > len(GOAL) / 2
    assert 0 < ours["attempts"] < ours["opportunities"]
    assert ours["ghost_ms_p50"] > 0
    assert ours["cpu_s_per_1000_keys"] > 0


def test_every_arm_of_an_experiment_has_a_real_server_with_its_options(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "off.toml"
    arm = '\n[[arms]]\nname = "{0}"\nweight = 0.5\noptions = {{ "completion.disabled_languages" = [{1}] }}'
    file.write_text('key = "off"' + arm.format("on", "") + arm.format("off", '"python"'))
    assert command(repository, "--experiment", str(file)) == 0
    found = json.loads(capsys.readouterr().out)
    on, off = found["arms"]["on"], found["arms"]["off"]
    assert on["opportunities"] == off["opportunities"] == 3 + len(GOAL)
    assert on["accepted"] == 1 and off["accepted"] == off["attempts"] == 0
    assert off["suppressed"] == {"language": off["opportunities"]}
    assert found["differences"]["off"]["cpo"] == pytest.approx(-on["cpo"])


@pytest.fixture(scope="module")
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture(scope="module")
def server(stub: StubOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForetypeServer]:
    server = ForetypeServer(tmp_path_factory.mktemp("workspace"), options(stub.url), SERVE)
    yield server
    stub.reset()
    server.stop()


def test_typing_what_is_shown_keeps_it_on_the_screen(stub: StubOpenAI, server: ForetypeServer) -> None:
    stub.reset()
    stub.answers.append("values)")
    server.open("a.py", "python", "é𝄞 = sum(\n")
    server.edit("a.py", 0, 8, "", "(")
    server.ask("a.py", 0, 9, 0)
    until(server.shown)
    stub.gate.clear()  # nothing more comes from the model
    server.edit("a.py", 0, 9, "", "v")
    shown = server.shown()
    assert shown and shown.text == "alues)"
    server.ask("a.py", 0, 10, 1)
    shown = server.shown()
    assert shown and (shown.text, shown.key, shown.cached) == ("alues)", 1, True)
    server.accepted(len("alues"))
    server.edit("a.py", 0, 10, "", "alues")
    shown = server.shown()
    assert shown and shown.text == ")"
    assert server._status()["counts"]["partially_accepted"] == 1
    server.edit("a.py", 0, 15, "", "x")
    assert server.shown() is None
    server.close("a.py")


def test_a_server_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"openai\.url"):
        ForetypeServer(tmp_path, {"model": {"backend": "openai"}}, SERVE)


def test_what_is_answered_too_late_is_not_shown(
    stub: StubOpenAI, server: ForetypeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "LEAVING_MS", 30.0)
    keys = tuple(Key(char, 30.0) for char in "abcd")
    steps = (Open("b.py", 0.0), Move("b.py", 0, 0, 0.0), Insert("b.py", 0, 0, keys))
    trace = Trace("r", "c", "c^", "python", (File("b.py", "python", "\n"),), steps)
    stub.reset()
    stub.gate.clear()
    stub.script = lambda prompt, suffix: "never right"
    rows = play.play(trace, server, play.RealClock())
    assert [row.on_screen for row in rows] == [False] * 4
