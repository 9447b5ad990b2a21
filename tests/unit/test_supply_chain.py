"""What a release is made of: locked dependencies, their licences, the bill of materials, archives of the same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import bundle
import install
import locks
import pytest
import sbom
import wheels
from packaging.requirements import Requirement

from foretype.model.catalogue import Entry

HASH = "sha256:" + "0" * 64
# Permissive licences, and the one below.
PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "PSF-2.0", "Unlicense", "Zlib"),
    "Public Domain",
    # binds who changes these very files, and nobody changes them here: certifi, pathspec, tqdm
    "MPL-2.0",
}
# What packages say that name their licence by no SPDX identifier.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def licence(said: metadata.PackageMetadata) -> str:
    """An SPDX expression, or what the package says in its place."""
    classifiers = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License")]
    found = said["License-Expression"] or said["License"] or " AND ".join(classifiers) or "nothing"
    return SPELLINGS.get(found, found)


def test_the_locks_are_what_pyproject_asks_for() -> None:
    assert list(locks.disagreements()) == []


def test_a_disagreement_is_told(tmp_path: Path, repository: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    text = (repository / "pyproject.toml").read_text("utf-8")
    changed = text.replace('"httpx>=0.28"', '"httpx>=99"').replace('    "filelock>=3.16",\n', '    "brotli",\n')
    pyproject.write_text(changed, "utf-8")
    told = "\n".join(locks.disagreements(pyproject=pyproject))
    assert "requirements/serve.txt lacks brotli" in told
    assert re.search(r"requirements/serve.txt has httpx [\d.]+, not httpx>=99", told)
    assert "requirements/train.txt has filelock, for which pyproject.toml no longer asks" in told


@pytest.mark.parametrize(
    "line",
    [
        f"--index-url https://packages.example.com/simple\ndemo==1.0 \\\n    --hash={HASH}\n",
        f"demo>=1.0 \\\n    --hash={HASH}\n",
        f"demo==1.* \\\n    --hash={HASH}\n",
        f"demo @ https://packages.example.com/demo.whl \\\n    --hash={HASH}\n",
        "demo==1.0\n",
        "demo==1.0 \\\n    --hash=md5:00\n",
        f"demo==1.0 --index-url=https://packages.example.com \\\n    --hash={HASH}\n",
    ],
)
def test_what_is_no_pin_is_no_lock(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock.txt").write_text(line)
    with pytest.raises(locks.LockError):
        locks.read(tmp_path / "lock.txt")


def test_a_lock_is_read(tmp_path: Path) -> None:
    other = "sha256:" + "1" * 64
    text = f"# by uv\ndemo-it==1.0 ; sys_platform == 'none' \\\n    --hash={HASH} \\\n    --hash={other}\n    # via x\n"
    (tmp_path / "lock.txt").write_text(f"{text}last==2 \\\n    --hash={HASH}\n    # via foretype (pyproject.toml)\n")
    first, last = locks.read(tmp_path / "lock.txt")
    assert (first.name, first.version, first.hashes, first.direct) == ("demo-it", "1.0", (HASH, other), False)
    assert last.direct and last.applies and not first.applies


@pytest.mark.parametrize("file", ["editors/vscode/package-lock.json", "tests/vscode/e2e/package-lock.json"])
def test_the_extensions_lock_has_digests_and_no_registry(repository: Path, file: str) -> None:
    packages = json.loads((repository / file).read_text("utf-8"))["packages"]
    assert all("resolved" not in package for package in packages.values())
    # a package may come inside of another, whose digest covers it
    assert [
        name for name, package in packages.items() if name and not (package.keys() & {"integrity", "inBundle"})
    ] == []


@pytest.mark.parametrize("pin", [pin for pin in locks.read(locks.FOLDER / "serve.txt") if pin.applies], ids=str)
def test_licences_of_what_serves_are_permissive(pin: locks.Pin) -> None:
    said = licence(metadata.metadata(pin.name))
    assert set(re.split(r" AND | OR |[()]", said)) - {""} <= PERMISSIVE, f"{pin.name} is under {said}"


def test_serving_needs_what_is_locked_and_no_more() -> None:
    """From what the installed packages say of themselves; a pin that nothing needs would be another's."""
    pins = {pin.name for pin in locks.read(locks.FOLDER / "serve.txt") if pin.applies}
    needed, todo = (
        set[str](),
        [(str(requirement), "") for requirement in locks.direct(locks.ROOT / "pyproject.toml", ())],
    )
    seen = set[tuple[str, str]]()
    while todo:
        line, extra = todo.pop()
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = locks.canonicalize_name(requirement.name)
        needed.add(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                todo += [(line, wanted) for line in metadata.requires(name) or []]
    assert needed == pins


def test_two_wheels_have_the_same_bytes(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources of other times and modes, leftovers of an earlier build, another user's mask and time zone."""
    again = tmp_path / "clone"
    for file in wheels.sources(repository):
        if not file.startswith(("tests/", "docs/", "editors/")):
            (again / file).parent.mkdir(parents=True, exist_ok=True)
            (again / file).write_bytes((repository / file).read_bytes())
            (again / file).chmod(0o755)
    (again / "build/lib/foretype").mkdir(parents=True)
    (again / "build/lib/foretype/leftover.py").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=again, check=True)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(time.time()) - 86400))
    first = wheels.build(tmp_path / "first", repository)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    mask = os.umask(0o077)
    try:
        second = wheels.build(tmp_path / "second", again)
    finally:
        os.umask(mask)
    assert first.name == second.name and first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {"foretype/cli.py", "foretype/model/catalogue.toml"} <= set(archive.namelist())
        assert not any("leftover" in name or name.startswith("foretype/tools") for name in archive.namelist())


def test_without_git_no_wheel(tmp_path: Path) -> None:
    with pytest.raises(wheels.BuildError, match="a clone is needed"):
        wheels.build(tmp_path / "out", tmp_path)


ENTRY = Entry("tiny", "tiny.gguf", 4, "ab" * 32, "Apache-2.0", "qwen2.5-coder")


def test_a_bill_has_the_locked_packages_alone() -> None:
    def part(name: str) -> dict:
        return {"name": name, "version": "1", "bom-ref": f"{name}==1", "licenses": [{"license": {"id": "MIT"}}]}

    rows = [{"ref": "root", "dependsOn": ["b==1", "c==1"]}, {"ref": "b==1"}, {"ref": "c==1", "dependsOn": ["b==1"]}]
    whole = {"components": [part("c"), part("A_a"), part("b")], "dependencies": rows}
    whole["metadata"] = {"component": {"bom-ref": "root"}}  # type: ignore[assignment]
    bill = sbom.narrowed(json.loads(json.dumps(whole)), {"b": "1", "a-a": "1"}, {"a-a": "cd"}, ENTRY)
    assert [part["name"] for part in bill["components"]] == ["A_a", "b", "tiny"]
    assert bill["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "cd"}]
    assert bill["components"][2]["hashes"][0]["content"] == ENTRY.sha256
    assert bill["dependencies"] == [{"ref": "root", "dependsOn": ["b==1"]}, {"ref": "b==1", "dependsOn": []}]
    with pytest.raises(sbom.BillError, match="b is not installed here as it is locked"):
        sbom.narrowed(whole, {"b": "2"}, {}, ENTRY)


@pytest.fixture
def parts(tmp_path: Path) -> bundle.Parts:
    model, folder, vsix = tmp_path / "m.gguf", tmp_path / "wheels", tmp_path / "x.vsix"
    folder.mkdir()
    for file in (model, folder / "b-1-py3-none-any.whl", folder / "a-1-py3-none-any.whl", vsix):
        file.write_text(file.name)
    return bundle.Parts(ENTRY, model, folder, "a==1\n", {"foretype.cdx.json": "{}"}, vsix)


def unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "tarfile", "-e", archive, folder], check=True, capture_output=True)
    (top,) = folder.iterdir()
    return top


def test_two_bundles_have_the_same_bytes(parts: bundle.Parts, tmp_path: Path) -> None:
    first = bundle.pack(parts, tmp_path / "first", 1_000_000_000)
    for file in (parts.model, *parts.wheels.iterdir()):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    second = bundle.pack(parts, tmp_path / "second", 1_000_000_000)
    assert first.read_bytes() == second.read_bytes()
    digest, name = first.with_name(f"{first.name}.sha256").read_text().split()
    assert (name, digest) == (first.name, bundle._sha256(second))
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name, f"{first.name}.sha256"]


def test_every_file_of_a_bundle_is_checked(parts: bundle.Parts, tmp_path: Path) -> None:
    top = unpacked(bundle.pack(parts, tmp_path / "out", 1_000_000_000), tmp_path / "carried")
    files = install.verify(top)
    assert files == len([path for path in top.rglob("*") if path.is_file()]) - 1
    assert {"install", "install.py", "README.md", "LICENSE"} <= {path.name for path in top.iterdir()}
    assert (top / "editors/nvim/plugin/foretype.lua").is_file() and os.access(top / "install", os.X_OK)
    wheel = top / "wheels" / "a-1-py3-none-any.whl"
    sound = wheel.read_bytes()
    wheel.write_bytes(b"A" + sound[1:])
    with pytest.raises(install.InstallError, match=r"wheels/a-1-py3-none-any.whl is not as it was packed"):
        install.verify(top)
    wheel.unlink()
    with pytest.raises(install.InstallError, match=r"a-1-py3-none-any.whl is missing"):
        install.verify(top)
    wheel.write_bytes(sound)
    (top / "wheels" / "c-1-py3-none-any.whl").touch()
    with pytest.raises(install.InstallError, match=r"c-1-py3-none-any.whl does not belong here"):
        install.verify(top)


def test_the_installer_says_what_is_wrong(parts: bundle.Parts, tmp_path: Path) -> None:
    """Through the programs themselves: a damaged bundle, a folder that is another's, a Python that is not there."""
    top = unpacked(bundle.pack(parts, tmp_path / "out", 1_000_000_000), tmp_path / "carried")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").touch()

    def said(*words: str) -> str:
        command = [sys.executable, "-I", str(top / "install.py"), "--into", str(other), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        return done.stderr

    assert f"{other} holds something else" in said()
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
    (top / "bundle.json").write_text("{}")
    assert "bundle.json is not as it was packed" in said()


@pytest.mark.skipif(os.name != "posix", reason="the wrapper is for POSIX systems; Windows runs install.py")
def test_the_wrapper_looks_for_the_right_python(parts: bundle.Parts, tmp_path: Path) -> None:
    top = unpacked(bundle.pack(replace(parts), tmp_path / "out", 1_000_000_000), tmp_path / "carried")
    facts = top / "bundle.json"
    facts.write_text(facts.read_text().replace(f'"{sys.version_info.major}.{sys.version_info.minor}"', '"3.99"'))
    done = subprocess.run([top / "install"], capture_output=True, text=True)
    assert done.returncode == 1 and "This bundle is for Python 3.99, which is not on the path" in done.stderr
