"""Signatures of libraries: found where a workspace's environments are, read when imported, never taken for its own."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretype.context.gather import Budget, Snippet, gather
from foretype.context.index import environments
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace

SITE = ".venv/lib/python3.11/site-packages"
FILES = {
    ".gitignore": ".venv/\nnode_modules/\n",
    ".venv/pyvenv.cfg": "home = /usr/bin\n",
    f"{SITE}/parcel-2.1.dist-info/top_level.txt": "parcel\n",
    f"{SITE}/parcel/__init__.py": "from .api import fetch\nfrom ._deep import *\nfrom .models import Answer as Reply\n",
    f"{SITE}/parcel/api.py": (
        "from .models import Answer\n\n\ndef fetch(url, *, timeout=3.0, retries=2) -> Answer:\n"
        '    """Gets one page."""\n    return Answer(url)\n'
    ),
    f"{SITE}/parcel/models.py": (
        'class Base:\n    def shut(self, *, hard): ...\n\n\nclass Answer(Base):\n    """What came back."""\n\n'
        "    def __init__(self, url): ...\n    def as_json(self, *, strict=True): ...\n"
    ),
    f"{SITE}/parcel/_deep.py": "from ._deeper import bury\n",
    f"{SITE}/parcel/_deeper.py": "def bury(depth, soil): ...\n",
    f"{SITE}/parcel/unused.py": "def never_read(x): ...\n",
    f"{SITE}/stubbed/__init__.py": "def weigh(*args, **kwargs): ...\n",
    f"{SITE}/stubbed/__init__.pyi": "def weigh(thing: str, unit: str = ...) -> float: ...\n",
    f"{SITE}/other/__init__.py": "def fetch(nobody_imports_this): ...\n",
    "node_modules/axle/package.json": json.dumps({"version": "1.0.0", "types": "./dist/index.d.ts"}),
    "node_modules/axle/dist/index.d.ts": 'export * from "./turn";\nexport declare const axles: number;\n',
    "node_modules/axle/dist/turn.d.ts": "export declare function turn(angle: number, opts?: TurnOptions): void;\n",
    "node_modules/@types/spoke/package.json": json.dumps({"version": "3.0.0", "types": "index.d.ts"}),
    "node_modules/@types/spoke/index.d.ts": "export function tighten(force: number, side: string): boolean;\n",
    "node_modules/spoke/package.json": json.dumps({"version": "3.1.0", "main": "index.js"}),
    "node_modules/spoke/index.js": "exports.tighten = function (a, b) {}\n",
    "shop/__init__.py": "",
    "shop/here.py": "def local(price, currency): ...\n",
}


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, "utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        write(tmp_path, path, text)
    return tmp_path


@pytest.fixture
def workspace(root: Path) -> Iterator[Workspace]:
    workspace = Workspace.open(root, None)
    workspace.refresh(children=0)
    yield workspace
    workspace.close()


def at(workspace: Workspace, text: str, path: str = "shop/till.py", language: str = "python") -> tuple[Snippet, ...]:
    """The snippets for an open document with the cursor at `|`."""
    before, _, after = text.partition("|")
    snapshot = Snapshot(f"file:///{path}", path, language, 1, tuple(split_lines(before + after)))
    workspace.opened(snapshot)
    workspace.changed(path)
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    return gather(workspace, snapshot, line, column, Budget(300), lambda text: len(text) // 3, ("symbols",))


def stored(workspace: Workspace) -> set[str]:
    rows = workspace.graph._database.read("SELECT path FROM files WHERE library <> ''")
    return {environments.shown(path) for (path,) in rows}


def test_the_callee_s_signature_comes_through_the_package_s_init(workspace: Workspace) -> None:
    found = at(workspace, "from parcel import fetch\n\npage = fetch(|)\n")
    assert found[-1].path == "parcel/api.py"
    assert found[-1].text == ('def fetch(url, *, timeout=3.0, retries=2) -> Answer:\n    """Gets one page."""\n'), (
        "signature and doc line alone, though the body is short"
    )


def test_a_module_s_function_under_an_alias_and_two_hops_away(workspace: Workspace) -> None:
    assert "def bury(depth, soil)" in at(workspace, "import parcel as p\n\np.bury(|)\n")[-1].text


def test_the_members_of_an_imported_class_and_of_the_class_it_inherits_from(workspace: Workspace) -> None:
    found = at(workspace, "from parcel import Reply\n\n\ndef run(reply: Reply):\n    reply.|\n")
    texts = "".join(one.text for one in found)
    assert "def as_json(self, *, strict=True)" in texts and "def shut(self, *, hard)" in texts


def test_stubs_go_before_sources(workspace: Workspace) -> None:
    assert "unit: str" in at(workspace, "from stubbed import weigh\n\nweigh(|)\n")[-1].text
    assert "stubbed/__init__.py" not in stored(workspace)


@pytest.mark.parametrize(
    ("package", "call", "signature"),
    [("axle", "turn", "opts?: TurnOptions"), ("spoke", "tighten", "force: number, side: string")],
)
def test_type_declarations(workspace: Workspace, package: str, call: str, signature: str) -> None:
    text = f'import {{ {call} }} from "{package}";\n\n{call}(|);\n'
    assert signature in at(workspace, text, "web/main.ts", "typescript")[-1].text


def test_a_definition_of_the_workspace_goes_before_one_of_a_library(workspace: Workspace) -> None:
    assert at(workspace, "from parcel import fetch\n\nfetch(|)\n")[-1].score == 0.8
    assert at(workspace, "from shop.here import local\n\nlocal(|)\n")[-1].score == 1.0


def test_only_what_is_imported_is_read_and_none_of_it_is_the_workspace_s(workspace: Workspace) -> None:
    write(workspace.root, "shop/till.py", "from parcel import fetch\n\nfetch()\n")
    before = workspace.refresh(children=0)
    at(workspace, "from parcel import fetch\n\nfetch(|)\n")
    assert "parcel/api.py" in stored(workspace)
    assert not stored(workspace) & {"parcel/unused.py", "other/__init__.py", "stubbed/__init__.pyi"}
    graph = workspace.graph
    after = workspace.refresh(children=0)
    assert (after.files, after.symbols, after.references) == (before.files, before.symbols, before.references)
    assert "parcel/api.py" in stored(workspace), "a refresh leaves it there"
    assert not any(map(environments.inside, graph.paths()))
    assert not any(map(environments.inside, graph.imports("shop/till.py")))
    assert graph.definitions("fetch", "shop/till.py") == graph.definitions("fetch") == ()
    assert graph.references("Answer") == ()
    assert workspace.read(f"{SITE}/parcel/api.py") is None


def test_another_version_is_read_anew(workspace: Workspace, root: Path) -> None:
    text = "from parcel import fetch\n\nfetch(|)\n"
    at(workspace, text)
    write(root, f"{SITE}/parcel/api.py", "def fetch(address, patience): ...\n")
    assert "url" in at(workspace, text)[-1].text, "the same version is not looked at again"
    os.rename(root / SITE / "parcel-2.1.dist-info", root / SITE / "parcel-3.0.dist-info")
    assert "def fetch(address, patience)" in at(workspace, text)[-1].text
    assert "parcel/models.py" in stored(workspace)


def test_what_the_guard_refuses_is_not_read_in_libraries_either(
    workspace: Workspace, root: Path, tmp_path: Path
) -> None:
    write(root, f"{SITE}/keyed/__init__.py", 'def sign(key="ghp_' + "a1B2c3" * 6 + '"): ...\n')
    write(root, f"{SITE}/large/__init__.py", "def wide(x): ...\n" * 70_000)
    write(root, f"{SITE}/made/__init__.py", "# generated by a tool, do not edit\ndef made(x): ...\n")
    assert all("a1B2c3" not in one.text for one in at(workspace, "from keyed import sign\n\nsign(|)\n"))
    for package, name in (("large", "wide"), ("made", "made")):
        assert at(workspace, f"from {package} import {name}\n\n{name}(|)\n") == ()
    write(root, ".foretypeignore", "**/parcel/\n")
    assert at(Workspace.open(root, None), "from parcel import fetch\n\nfetch(|)\n") == ()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_that_lead_out_of_the_environment_are_refused(
    workspace: Workspace, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away")
    write(away, "leak/__init__.py", "def leak(secret_parameter): ...\n")
    (root / SITE / "leak").symlink_to(away / "leak")
    assert at(workspace, "from leak import leak\n\nleak(|)\n") == ()
    write(root, "shop/inner.py", "def inner(secret_parameter): ...\n")
    (root / SITE / "inner.py").symlink_to(root / "shop" / "inner.py")
    assert at(workspace, "from inner import inner\n\ninner(|)\n") == ()
    (root / SITE / "again").symlink_to(root / SITE / "parcel")  # as some package managers do
    assert "def fetch(url" in at(workspace, "from again import fetch\n\nfetch(|)\n")[-1].text
    write(away, "env/pyvenv.cfg", "")
    write(away, "env/lib/python3.11/site-packages/far.py", "def far(secret_parameter): ...\n")
    (root / "venv").symlink_to(away / "env")
    assert at(workspace, "from far import far\n\nfar(|)\n") == ()


def test_folders_to_read_hold_for_libraries_too(root: Path) -> None:
    workspace = Workspace.open(root, None, ["shop"])
    workspace.refresh(children=0)
    assert at(workspace, "from parcel import fetch\n\nfetch(|)\n") == ()
    workspace.close()


def test_an_environment_serves_the_folder_that_it_lies_in(workspace: Workspace, root: Path) -> None:
    write(root, "tools/venv/pyvenv.cfg", "")
    write(root, "tools/venv/lib/python3.12/site-packages/parcel.py", "def fetch(nearest): ...\n")
    text = "from parcel import fetch\n\nfetch(|)\n"
    assert "nearest" in at(workspace, text, "tools/run.py")[-1].text
    assert "url" in at(workspace, text)[-1].text


def test_imports_in_a_circle_and_broken_settings_end(workspace: Workspace, root: Path) -> None:
    write(root, f"{SITE}/ring/__init__.py", "from .a import *\nfrom . import *\n")
    write(root, f"{SITE}/ring/a.py", "from . import *\nfrom .a import a\n")
    assert at(workspace, "from ring import nothing\n\nnothing(|)\n") == ()
    write(root, "node_modules/bent/package.json", "[" * 100_000)
    write(root, "node_modules/out/package.json", json.dumps({"types": "../../shop/here.d.ts"}))
    write(root, "shop/here.d.ts", "export function here(secret_parameter: string): void;\n")
    for package in ("bent", "out", "..", "@", ""):
        at(workspace, f'import {{ here }} from "{package}";\n\nhere(|);\n', "web/main.ts", "typescript")
    assert "here.d.ts" not in stored(workspace)
