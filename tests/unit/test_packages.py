import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tiny_package import write_sdist

from foretype.eval.projects import packages, sdists
from foretype.eval.projects.packages import PACKAGES, Package, PackageError


def test_enough_packages_pinned_in_two_halves() -> None:
    assert len(PACKAGES) >= 12
    assert len({package.name for package in PACKAGES}) == len({package.sha256 for package in PACKAGES}) == len(PACKAGES)
    assert len(packages.of_split("dev")) == len(packages.of_split("test")) == len(PACKAGES) // 2
    assert packages.of_split("test", 2) == packages.of_split("test")[:2]


def test_a_file_that_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_sdist(tmp_path)
    monkeypatch.setattr(subprocess, "run", None)
    assert packages.fetch(package, tmp_path) == tmp_path / "demo-1.0.tar.gz"


def fetcher(monkeypatch: pytest.MonkeyPatch, brings: Path | None, says: str = "") -> list[list[str]]:
    """Puts a stand-in in place of the script that fetches; the commands that it was given."""
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if brings:
            Path(command[-1]).write_bytes(brings.read_bytes())
        return subprocess.CompletedProcess(command, 1 if says else 0, "", says)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_what_pip_brings_is_kept_only_if_it_is_the_pinned_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    package = write_sdist(index)
    work = tmp_path / "work"
    commands = fetcher(monkeypatch, brings=index / package.file)
    assert packages.fetch(package, work).read_bytes() == (index / package.file).read_bytes()
    assert commands[0][2:5] == [sdists.__file__, "demo", "1.0"]
    assert [path.name for path in work.iterdir()] == [package.file]

    (work / package.file).write_bytes(b"damaged")
    (index / package.file).write_bytes(b"another file")
    with pytest.raises(PackageError, match=r"demo-1.0: .*not the file"):
        packages.fetch(package, work)
    assert (work / package.file).read_bytes() == b"damaged"
    assert len(commands) == 2


def test_what_pip_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher(monkeypatch, None, "WARNING: slow\nNo matching distribution found for demo==1.0\n")
    with pytest.raises(PackageError, match=r"^demo-1.0: pip: No matching distribution found for demo==1.0$"):
        packages.fetch(Package("demo", "1.0", "0" * 64, "dev", "demo"), tmp_path)


def test_pip_gets_a_source_distribution_without_building_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sdist(tmp_path)
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE"):
        monkeypatch.setenv(name, {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}.get(name, str(tmp_path)))
    got = tmp_path / "got"
    command = [sys.executable, "-P", sdists.__file__, "demo"]
    done = subprocess.run([*command, "1.0", got], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert got.read_bytes() == (tmp_path / "demo-1.0.tar.gz").read_bytes()
    done = subprocess.run([*command, "2.0", got], capture_output=True, text=True)
    assert done.returncode == 1 and "no source distribution of that version" in done.stderr


def test_a_package_is_unpacked_with_its_metadata(tmp_path: Path) -> None:
    package = write_sdist(tmp_path)
    packages.unpack(package, tmp_path / package.file, tmp_path / "out")
    assert (tmp_path / "out/demo-1.0.dist-info/METADATA").read_text() == "Name: demo\nVersion: 1.0\n"
    assert "demo/shapes.py" in packages.sources(package, tmp_path / "out")
    with pytest.raises(PackageError, match="cannot be unpacked"):
        packages.unpack(package, tmp_path / "out/demo/shapes.py", tmp_path / "again")


def test_no_path_leads_out_of_an_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "demo-1.0.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("demo-1.0/../../outside.py"))
    with pytest.raises(PackageError, match="cannot be unpacked"):
        packages.unpack(Package("demo", "1.0", "", "dev", "demo"), tmp_path / "demo-1.0.tar.gz", tmp_path / "a/b/out")
    assert not list(tmp_path.rglob("outside.py"))
