"""Models on disk: builds that are whole or not there, what a name means, what is listed. With a stand-in builder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from foretype.model import catalogue as catalogues
from foretype.model import store
from foretype.model.progress import silent, terminal_progress
from foretype.model.store import StoreError, ensure_built, find, listing, resolve

DATA = bytes(range(256)) * 8
SHA = hashlib.sha256(DATA).hexdigest()

# Stands in for `model/build.py`, in this process and in children. Tells its progress between any two writes.
BUILDER = """
from pathlib import Path

class BuildError(ValueError):
    pass

def build(gguf, out_dir, adapter, progress):
    data = gguf.read_bytes()
    if data.startswith(b"strange"):
        raise BuildError("its architecture 'strange' cannot be built; known are qwen2")
    steps = [("model.onnx", data[:1000]), ("model.onnx", data[1000:]), ("tokenizer.json", b"{}")]
    for step, (name, part) in enumerate(steps):
        progress("building", step, len(steps))
        with (out_dir / name).open("ab") as out:
            out.write(part)
    if adapter:
        (out_dir / "model.onnx.data").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
    progress("building", len(steps), len(steps))
    return {"quantization": "int4"}
"""

CHILD = f"""
import sys
from types import ModuleType

exec({BUILDER!r}, (module := ModuleType("foretype.model.build")).__dict__)
sys.modules["foretype.model.build"] = module
from foretype.model import store

def progress(stage, done, total):
    if f"{{stage}}:{{done}}" == sys.argv[1]:
        print("reached", flush=True)
        sys.stdin.read()

if sys.argv[1] == "manifest":
    sys.argv[1] = "manifest:0"
    store.Path.write_text = lambda *args, **kwargs: progress("manifest", 0, 0)
print(store.ensure_built("tiny", progress=progress).folder, flush=True)
"""

CATALOGUE = f"""
[models.tiny]
file = "tiny.gguf"
size = {len(DATA)}
sha256 = "{SHA}"
licence = "Apache-2.0"
family = "qwen2.5-coder"
"""


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache, a catalogue with one tiny model, its GGUF at hand, and the stand-in builder."""
    (tmp_path / "catalogue.toml").write_text(CATALOGUE, encoding="utf-8")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "tiny.gguf").write_bytes(DATA)
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FORETYPE_CATALOGUE", str(tmp_path / "catalogue.toml"))
    monkeypatch.setenv("FORETYPE_MODEL_DIR", str(tmp_path / "own"))
    module = ModuleType("foretype.model.build")
    exec(BUILDER, module.__dict__)
    monkeypatch.setitem(sys.modules, "foretype.model.build", module)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "my adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text('{"r": 16}')
    return folder


def test_build_from_nothing_then_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("tiny") is None
    built = ensure_built("tiny")
    assert built.model.read_bytes() == DATA
    assert built.tokenizer.read_text() == "{}"
    assert built.folder.parent == tmp_path / "cache" / "models" / "tiny" / "builds"
    assert built.folder.name.startswith("none-")
    expected = {"name": "tiny", "sha256": SHA, "licence": "Apache-2.0", "family": "qwen2.5-coder", "adapter": ""}
    expected |= {"quantization": "int4", "source": f"local file {tmp_path / 'own' / 'tiny.gguf'}", "revision": ""}
    assert built.manifest.items() >= expected.items()
    assert built.manifest["files"] == {"model.onnx": len(DATA), "tokenizer.json": 2}
    assert find("tiny") == built

    monkeypatch.setattr(sys.modules["foretype.model.build"], "build", lambda *args: pytest.fail("built again"))
    assert ensure_built("tiny") == built


def test_each_adapter_and_version_has_its_own_build(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, merged = ensure_built("tiny"), ensure_built("tiny", str(adapter))
    assert merged.manifest["adapter"] == "my adapter"
    assert merged.manifest["adapter_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert merged.manifest["files"]["model.onnx.data"] == len(b"weights")
    assert merged.folder.name.startswith("my-adapter-")
    assert find("tiny", "none") == find("tiny", "default") == plain

    (adapter / "adapter_config.json").write_text('{"r": 8}')
    assert find("tiny", str(adapter)) is None
    monkeypatch.setattr(store, "BUILD_VERSION", store.BUILD_VERSION + 1)
    assert find("tiny") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda built: (built.folder / "manifest.json").unlink(),
        lambda built: (built.folder / "manifest.json").write_text('{"name": "tiny", "fil'),
        lambda built: (built.folder / "manifest.json").write_text("[]"),
        lambda built: (built.folder / "manifest.json").write_text('{"files": {}}'),
        lambda built: built.model.write_bytes(DATA[:-1]),
        lambda built: built.tokenizer.unlink(),
    ],
)
def test_a_damaged_build_does_not_count_and_is_made_again(damage) -> None:  # type: ignore[no-untyped-def]
    built = ensure_built("tiny")
    damage(built)
    assert find("tiny") is None
    assert listing()[-1].builds == ()
    assert ensure_built("tiny") == built
    assert built.model.read_bytes() == DATA


def child(stop_at: str) -> subprocess.Popen:
    """A process that builds, and has reached the point where it stops and waits for its input to end."""
    command = [sys.executable, "-c", CHILD, stop_at]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "reached\n"
    return process


def test_kills_while_building_leave_no_build(tmp_path: Path) -> None:
    for moment in ("building:1", "building:3", "manifest"):
        process = child(moment)
        process.kill()
        process.communicate()
        assert find("tiny") is None
        (partial,) = (tmp_path / "cache" / "models" / "tiny" / "builds").iterdir()
        assert partial.name.startswith(".partial-")
    built = ensure_built("tiny")
    assert built.model.read_bytes() == DATA
    assert list(built.folder.parent.iterdir()) == [built.folder]


def test_two_processes_build_once() -> None:
    processes = [child(moment) for moment in ("building:1", "waiting for another foretype that works on tiny:0")]
    outs = [process.communicate(timeout=20)[0] for process in processes]
    built = find("tiny")
    assert built is not None and outs == [f"{built.folder}\n"] * 2
    assert built.model.read_bytes() == DATA


def test_what_cannot_be_built_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    strange = tmp_path / "strange.gguf"
    strange.write_bytes(b"strange")
    with pytest.raises(StoreError, match=r"cannot build strange-\w+: its architecture 'strange'"):
        ensure_built(str(strange))
    assert list((tmp_path / "cache" / "models").glob("*/builds/*")) == []


def test_no_room_to_build(monkeypatch: pytest.MonkeyPatch) -> None:
    store.pull("tiny")
    monkeypatch.setattr("foretype.model.pull.free_bytes", lambda folder: 10)
    with pytest.raises(StoreError, match=r"cannot build tiny: needs .* GiB .* free some space"):
        ensure_built("tiny")


def test_a_local_gguf_is_built_by_its_digest(tmp_path: Path) -> None:
    mine = tmp_path / "My Model.gguf"
    mine.write_bytes(DATA[::-1])
    assert find(str(mine)) is None
    built = ensure_built(str(mine))
    name = f"My-Model-{hashlib.sha256(DATA[::-1]).hexdigest()[:12]}"
    assert built.manifest.items() >= {"name": name, "source": f"local file {mine}", "licence": "unknown"}.items()
    assert find(str(mine)) == built
    assert [(row.name, row.builds) for row in listing()][-1] == (name, (built,))

    mine.write_bytes(DATA)  # other content, so another build: that of the catalogue's model
    assert ensure_built(str(mine)).manifest["name"] == "tiny"
    assert find("tiny") is not None


def test_a_ready_folder_is_served_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "ready"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"graph")
    with pytest.raises(StoreError, match=r"tokenizer\.json"):
        ensure_built(str(folder))
    (folder / "tokenizer.json").write_text("{}")
    assert ensure_built(str(folder)).model == folder / "model.onnx"
    (folder / "model.onnx").rename(folder / "other.onnx")
    built = find(str(folder / "other.onnx"))
    assert built is not None and built.model == folder / "other.onnx"
    with pytest.raises(StoreError, match="cannot be merged"):
        ensure_built(str(folder / "other.onnx"), "mined-v3")


def test_unknown_names_are_answered_with_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"did you mean .*qwen2\.5-coder-0\.5b"):
        find("qwen2.5-coder-05b")
    with pytest.raises(StoreError, match=r"no adapter is called 'mined-v9'; did you mean mined-v3\?"):
        find("tiny", "mined-v9")
    with pytest.raises(StoreError, match="there is no file"):
        find("./nowhere.gguf")
    with pytest.raises(StoreError, match=r"adapter_model\.safetensors"):
        find("tiny", str(tmp_path))
    # a folder of the workspace cannot pass for a model
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="no model is called 'own'"):
        find("own")


def test_the_shipped_catalogue() -> None:
    models = catalogues.catalogue()
    assert [entry.name for entry in models.values() if entry.default] == ["qwen2.5-coder-0.5b"]
    for entry in models.values():
        if entry.name != "tiny":
            assert len(entry.sha256) == 64 and entry.size > 1e8 and entry.licence == "Apache-2.0"
            assert [type(carrier).__name__ for carrier in entry.carriers] == ["Index", "Hub"]
    target = resolve("qwen2.5-coder-0.5b")
    assert target.adapter is not None
    assert target.adapter.sha256 == "02b821b013493e0cbe054a202b06fa6a0f29afd7083bf1d2793f65af056eb668"
    assert target.folder.name.startswith("mined-v3-")
    assert resolve("qwen2.5-coder-1.5b").adapter is None


@pytest.mark.parametrize(
    "text", ["[models", "[models.a]\nfile = 1", '[models.a]\ncarriers = [{kind = "ftp"}]', "models = 3"]
)
def test_a_wrong_catalogue_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "catalogue.toml").write_text(text)
    with pytest.raises(StoreError, match=r"the catalogue .*catalogue\.toml .*mend it"):
        catalogues.catalogue()


def test_listing(tmp_path: Path) -> None:
    rows = {row.name: row for row in listing()}
    assert rows["qwen2.5-coder-0.5b"].default and rows["qwen2.5-coder-0.5b"].adapter == "mined-v3"
    assert not rows["tiny"].pulled and not rows["tiny"].default
    built = ensure_built("tiny")
    row = {row.name: row for row in listing()}["tiny"]
    assert row.pulled and row.builds == (built,) and row.size == len(DATA)
    assert row.folder == tmp_path / "cache" / "models" / "tiny"


def test_a_read_only_cache_still_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = ensure_built("tiny")

    def refused(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "cache"))

    monkeypatch.setattr(os, "replace", refused)
    monkeypatch.setattr("foretype.model.digests.write_whole", refused)
    monkeypatch.setattr("foretype.model.pull.FileLock", refused)
    assert find("tiny") == ensure_built("tiny") == built
    assert find("qwen2.5-coder-0.5b") is None  # the adapter's digest is computed, and cannot be remembered
    shutil.rmtree(built.folder)
    with pytest.raises(StoreError, match=r"Permission denied.*point FORETYPE_CACHE elsewhere"):
        ensure_built("tiny")


def test_digests_are_remembered_while_the_file_stays_the_same(tmp_path: Path) -> None:
    from foretype.model.digests import digest, remembered

    file, memory = tmp_path / "file", tmp_path / "memory" / "digests.json"
    file.write_bytes(b"one")
    assert remembered(file, memory) is None
    assert digest(file, memory) == remembered(file, memory) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"three")
    assert remembered(file, memory) is None
    assert digest(file, memory, silent) == hashlib.sha256(b"three").hexdigest()
    for damage in ("", "[]", "{", json.dumps({str(file): 3})):
        memory.write_text(damage)
        assert remembered(file, memory) is None
        assert digest(file, memory) == hashlib.sha256(b"three").hexdigest()


def test_progress_off_a_terminal_is_one_line_per_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal_progress() as progress:
        for done in range(3):
            progress("downloading", done, 2)
        progress("building", 0, 5)
    captured = capsys.readouterr()
    assert captured.err == "downloading\nbuilding\n"
    assert captured.out == ""
