import subprocess
from pathlib import Path

import pytest
from tiny_package import write_wheel

from foretype.eval import packages
from foretype.eval.packages import PACKAGES, Package, PackageError


def test_enough_packages_pinned_in_two_halves() -> None:
    assert len(PACKAGES) >= 12
    assert len({package.name for package in PACKAGES}) == len({package.sha256 for package in PACKAGES}) == len(PACKAGES)
    assert len(packages.of_split("dev")) == len(packages.of_split("test")) == len(PACKAGES) // 2
    assert packages.of_split("test", 2) == packages.of_split("test")[:2]


def test_a_wheel_that_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_wheel(tmp_path)
    monkeypatch.setattr(subprocess, "run", None)
    assert packages.fetch(package, tmp_path) == tmp_path / "demo-1.0-py3-none-any.whl"


def pip(monkeypatch: pytest.MonkeyPatch, brings: Path | None, says: str = "") -> list[list[str]]:
    """Puts a stand-in in pip's place; the commands that it was given."""
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if brings:
            folder = Path(command[command.index("--dest") + 1])
            (folder / brings.name).write_bytes(brings.read_bytes())
        return subprocess.CompletedProcess(command, 1 if says else 0, "", says)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_what_pip_brings_is_kept_only_if_it_is_the_pinned_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    package = write_wheel(index)
    work = tmp_path / "work"
    commands = pip(monkeypatch, brings=index / package.file)
    assert packages.fetch(package, work).read_bytes() == (index / package.file).read_bytes()
    assert "demo==1.0" in commands[0] and "--only-binary=:all:" in commands[0] and "--no-deps" in commands[0]
    assert [path.name for path in work.iterdir()] == [package.file]

    (work / package.file).write_bytes(b"damaged")
    (index / package.file).write_bytes(b"another file")
    with pytest.raises(PackageError, match=r"demo-1.0: .*not the file"):
        packages.fetch(package, work)
    assert (work / package.file).read_bytes() == b"damaged"
    assert len(commands) == 2


def test_what_pip_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, None, "WARNING: slow\nERROR: No matching distribution found for demo==1.0\n")
    with pytest.raises(PackageError, match=r"^demo-1.0: pip: No matching distribution found for demo==1.0$"):
        packages.fetch(Package("demo", "1.0", "0" * 64, "dev"), tmp_path)


def test_only_sources_are_unpacked(tmp_path: Path) -> None:
    package = write_wheel(tmp_path)
    packages.unpack(tmp_path / package.file, tmp_path / "out")
    assert (tmp_path / "out/demo/shapes.py").is_file()
    assert not (tmp_path / "out/demo/data.txt").exists()
    with pytest.raises(PackageError, match="cannot be unpacked"):
        packages.unpack(tmp_path / "out/demo/shapes.py", tmp_path / "again")
