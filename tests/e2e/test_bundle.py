"""A bundle with a tiny model, installed as one who gets it does: network cut off, empty home, then a completion.

The wheels of the dependencies are made from what is installed here, so that no index is asked for them either.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import bundle
import locks
import pytest
import trial
import wheels
from packaging.tags import parse_tag, sys_tags

from foretype.model.catalogue import Entry

# Written by who installs.
NOT_PACKED = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def packed(name: str, folder: Path) -> Path:
    """The wheel that an installed package could have come from, by the specification of binary distributions.

    Programs that are no entry points, manuals and the like are left out.
    """
    distribution = metadata.distribution(name)
    here = set(sys_tags())
    tags = [line.partition(": ")[2] for line in (distribution.read_text("WHEEL") or "").splitlines()]
    tag = next(tag for tag in tags if tag.count("-") == 2 and parse_tag(tag) & here)
    stem = f"{distribution.name.replace('-', '_')}-{distribution.version}"
    files = [file for file in distribution.files or [] if ".." not in file.parts and file.suffix != ".pyc"]
    files = [file for file in files if not (file.parent.suffix == ".dist-info" and file.name in NOT_PACKED)]
    rows = []
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as archive:
        for file in files:
            content = Path(str(file.locate())).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"{file},sha256={digest},{len(content)}")
            archive.writestr(str(file), content)
        record = f"{next(file.parent for file in files if file.name == 'METADATA')}/RECORD"
        archive.writestr(record, "\n".join([*rows, f"{record},,", ""]))
    return Path(str(archive.filename))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel for each package that serves, and a lock of these."""
    folder = tmp_path_factory.mktemp("index")
    lines = []
    for pin in locks.read(locks.FOLDER / "serve.txt"):
        if pin.applies:
            wheel = packed(pin.name, folder)
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{pin.name}=={metadata.version(pin.name)} \\\n    --hash=sha256:{digest}\n")
    (folder / "lock.txt").write_text("".join(lines))
    return folder


def test_it_installs_without_a_network_and_completes(
    index: Path, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    facts = {"file": tiny_gguf.name, "size": tiny_gguf.stat().st_size, "sha256": digest, "licence": "Apache-2.0"}
    facts["family"] = "qwen2.5-coder"
    catalogue = tmp_path / "catalogue.toml"
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in facts.items())
    catalogue.write_text(f"[models.tiny]\n{rows}\n", "utf-8")
    folder = tmp_path / "wheels"
    own = wheels.build(folder)
    bundle.download(index / "lock.txt", folder, find_links=index)
    lock = f"{(index / 'lock.txt').read_text()}foretype=={metadata.version('foretype')} \\\n"
    lock += f"    --hash=sha256:{hashlib.sha256(own.read_bytes()).hexdigest()}\n"
    parts = bundle.Parts(Entry(name="tiny", **facts), tiny_gguf, folder, lock, {}, None)
    archive = bundle.pack(parts, tmp_path / "out", wheels.epoch())
    # what would be asked, were the network or the settings of pip asked
    monkeypatch.setenv("PIP_INDEX_URL", "http://203.0.113.1/")
    said = trial.run(archive, {"FORETYPE_CATALOGUE": str(catalogue), "PIP_INDEX_URL": "http://203.0.113.1/"})
    assert "and completes `return `" in said
    assert not trial.cut_off() or "with the network cut off" in said


def test_what_does_not_install_is_told(tiny_gguf: Path, tmp_path: Path) -> None:
    entry = Entry("tiny", tiny_gguf.name, tiny_gguf.stat().st_size, "00" * 32, "Apache-2.0", "")
    parts = bundle.Parts(entry, tiny_gguf, tmp_path, "anyio==0 --hash=sha256:" + "0" * 64 + "\n", {}, None)
    (tmp_path / "x-1-py3-none-any.whl").touch()
    with pytest.raises(trial.TrialError, match="the packages could not be installed; mend what is said above"):
        trial.run(bundle.pack(parts, tmp_path / "out", wheels.epoch()))


def test_the_network_is_cut_off() -> None:
    if not (cut := trial.cut_off()):
        pytest.skip("this system does not let this user cut the network off")
    code = "import socket; socket.create_connection(('127.0.0.1', 1), 5)"
    done = subprocess.run([*cut, sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Network is unreachable" in done.stderr or "Cannot assign" in done.stderr
