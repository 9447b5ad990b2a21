"""Packages of the package index whose code is a benchmark's ground: pinned, fetched when the benchmark runs.

Source distributions, since they hold the packages' own tests, and fetched without building them (`sdists.py`).
Pure Python, permissive licences (MIT, BSD, Apache-2.0), and none that ships the same code twice, generated for `async`
and without, since the twin of a line gives it away. Fetching and unpacking runs nothing of a package; its tests are
`own_tests.py`'s.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

Split = Literal["dev", "test"]

_TIMEOUT_S = 300.0
_FETCHER = Path(__file__).with_name("sdists.py")


class PackageError(Exception):
    """A package cannot be had. The message tells a user what to do."""


@dataclass(frozen=True)
class Package:
    """One source distribution, by its name in the index and the SHA-256 of its file.

    `code` is the folder in it that is imported, `tests` what its tests are to pytest.
    """

    name: str
    version: str
    sha256: str
    split: Split
    code: str
    tests: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}.tar.gz"

    @property
    def source_root(self) -> str:
        """The folder that the code is imported from, "." for the package's own."""
        return str(PurePosixPath(self.code).parent)


# In the order of their names, the first half for choosing and the second for reporting: nobody picked which is which.
PACKAGES: tuple[Package, ...] = (
    Package(
        "cmd2",
        "4.3.1",
        "708592210dc382510ee090ad7928147060bad1b460cbefb1105f8d1251376ed8",
        "dev",
        "cmd2",
        ("tests", "--ignore=tests/test_pipeline_job_control.py"),
    ),
    Package(
        "glom",
        "25.12.0",
        "1ae7da88be3693df40ad27bdf57a765a55c075c86c971bcddd67927403eb0069",
        "dev",
        "glom",
        ("glom/test",),
    ),
    Package(
        "jinja2",
        "3.1.6",
        "0137fb05990d35f1275a587e9aee6d56da821fc83491a0fb838183be43f66d6d",
        "dev",
        "src/jinja2",
        ("tests",),
    ),
    Package(
        "jsonschema",
        "4.26.0",
        "0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326",
        "dev",
        "jsonschema",
        ("jsonschema/tests",),
    ),
    Package(
        "lark",
        "1.3.1",
        "b426a7a6d6d53189d318f2b6236ab5d6429eaf09259f1ca33eb716eed10d2905",
        "dev",
        "lark",
        ("tests",),
    ),
    Package(
        "markdown-it-py",
        "4.3.0",
        "91a58fa5b72c71a40cf7177250fd767480d7a2bb3ac426ccfb76fb90305fdaaa",
        "dev",
        "markdown_it",
        ("tests",),
    ),
    Package(
        "marshmallow",
        "4.4.0",
        "9e6ffa8511012ca89732324c1c253efd7b4d35632dcbdf80aa793fe01804af3e",
        "dev",
        "src/marshmallow",
        ("tests",),
    ),
    Package(
        "mistune",
        "3.4.0",
        "2eaf7952af928ca8d33b779762effc1da517b62c6ad85ec8ca957e3b07b9782a",
        "dev",
        "src/mistune",
        ("tests",),
    ),
    Package(
        "oauthlib",
        "4.0.1",
        "3d73febdb6faa00f277c81fb04be7b7586fb96fc3b7f0b9c772dada69a25ede7",
        "test",
        "oauthlib",
        ("tests",),
    ),
    Package(
        "starlette",
        "1.10.0",
        "b8399098d4c1e3522734f7235dc79b1fc967f96cf139c81e0fa30479e0685f9b",
        "test",
        "starlette",
        ("tests",),
    ),
    Package(
        "structlog",
        "26.1.0",
        "f63a716cbd1b1291cf7661de7794b455acfa4c43c5bcf1630e6ad5ddc1adb3b7",
        "test",
        "src/structlog",
        ("tests",),
    ),
    Package(
        "tomlkit",
        "0.15.2",
        "83e32755ba1d20d9340bd069ee97e9f6232ba2346b63ffcba425de01f7e327a6",
        "test",
        "tomlkit",
        ("tests",),
    ),
    Package(
        "traitlets",
        "5.16.1",
        "ed900c2b631aa3a112811139fa97b8d2c3bad5e989656bba4b7e52c7852c18c1",
        "test",
        "traitlets",
        ("tests",),
    ),
    Package(
        "webob",
        "1.8.11",
        "aa8c27231070b135c025e567a9cd7eda03f4df71352ffaac740cb6a75f0f81a5",
        "test",
        "src/webob",
        ("tests",),
    ),
    Package(
        "werkzeug",
        "3.1.9",
        "55ca7c70a75689be937aa27f8ff4b018f06ff4838fc73045560bf0f5a1291060",
        "test",
        "src/werkzeug",
        ("tests", "--ignore=tests/test_serving.py"),
    ),
    Package(
        "wtforms",
        "3.3.2",
        "49bb51d10b7832d497e758736da4d56f7d129a015db24756f36f28992f175404",
        "test",
        "src/wtforms",
        ("tests",),
    ),
)

# What the symbol graph is compared with jedi on: none of the above, and not what it was built on.
DEFINITION_PACKAGES: tuple[Package, ...] = (
    Package(
        "kombu",
        "5.7.0",
        "31e62fdfd2381caa3422f8e02b84a491d9a2180ddda74507b57f4cb1e1c2c2c9",
        "test",
        "kombu",
    ),
    Package(
        "rich",
        "15.0.0",
        "edd07a4824c6b40189fb7ac9bc4c52536e9780fbbfbddf6f1e2502c31b068c36",
        "test",
        "rich",
    ),
    Package(
        "scrapy",
        "2.19.0",
        "34130726582b64c91531162ab277c4053e558876d49ba219cb43679e71d80a87",
        "test",
        "scrapy",
    ),
)


def of_split(split: Split, most: int = 0) -> tuple[Package, ...]:
    """The packages of a split, the first `most` of them, 0 for all."""
    chosen = tuple(package for package in PACKAGES if package.split == split)
    return chosen[: most or None]


def fetch(package: Package, folder: Path) -> Path:
    """The package's file in `folder`, got from the user's index unless it is there. Raises `PackageError`."""
    kept = folder / package.file
    try:
        if kept.is_file() and _digest(kept) == package.sha256:
            return kept
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as scratch:
            brought = Path(scratch) / package.file
            _download(package, brought)
            if not brought.is_file():
                raise PackageError(f"{package}: pip brought no {package.file}; try another index")
            if _digest(brought) != package.sha256:
                raise PackageError(f"{package}: what the index has is not the file that the benchmark pins")
            os.replace(brought, kept)
    except OSError as error:
        raise PackageError(f"{package} cannot be kept in {folder}: {error.strerror}; name another --work") from error
    return kept


def unpack(package: Package, archive: Path, folder: Path) -> None:
    """The package's files in `folder`, which is new, and its metadata where an import finds it.

    Raises `PackageError`.
    """
    if not hasattr(tarfile, "data_filter"):
        raise PackageError("archives are only unpacked by a Python that refuses paths out of them: 3.11.4 or newer")
    try:
        with tempfile.TemporaryDirectory(prefix="unpack-", dir=_made(folder.parent)) as scratch:
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(scratch, filter="data")
            (inner,) = Path(scratch).iterdir()
            os.replace(inner, folder)
        if not (folder / package.code).is_dir():
            raise PackageError(f"{archive} has no folder {package.code}")
        metadata = folder / package.source_root / f"{package.file.removesuffix('.tar.gz')}.dist-info"
        metadata.mkdir(exist_ok=True)
        shutil.copyfile(folder / "PKG-INFO", metadata / "METADATA")
    except (OSError, ValueError, tarfile.TarError, zlib.error, EOFError) as error:
        raise PackageError(f"{archive} cannot be unpacked into {folder}: {error}") from error


def sources(package: Package, root: Path) -> dict[str, bytes]:
    """The Python files of the code of a package unpacked in `root`, by their paths below it, in order."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in sorted((root / package.code).rglob("*.py"))
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _download(package: Package, file: Path) -> None:
    # -P: a pip.py in the current folder must not run
    command = [sys.executable, "-P", str(_FETCHER), package.name, package.version, str(file)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise PackageError(f"{package}: the index did not answer in {_TIMEOUT_S:.0f} s; check the network") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise PackageError(f"{package}: pip: {said[-1] if said else f'exit status {done.returncode}'}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
