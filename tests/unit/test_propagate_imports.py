"""Moves of files and definitions carried to the imports of them."""

from __future__ import annotations

import pytest
from carrying import carried_files, edited

from foretype.context.next_edit import EditedFile
from foretype.context.rules import module_names


def moved(tmp_path, files, old, new):
    """The files after what the move of one of them calls for."""
    text = edited(old, files[old]).before
    language = edited(old, files[old]).language
    rest = {path: text for path, text in files.items() if path != old}
    changes = [EditedFile(old, language, text, ""), EditedFile(new, language, "", text)]
    result = carried_files(tmp_path, rest, changes)
    (tmp_path / old).unlink()
    return result


PACKAGE = {
    "app/__init__.py": "",
    "app/tools/__init__.py": "",
    "app/tools/clock.py": "from . import zone\nfrom .zone import UTC\n\n\ndef stamp():\n    return UTC, zone\n",
    "app/tools/zone.py": "UTC = 0\n",
    "app/main.py": """\
        import app.tools.clock
        import app.tools.clock as timer
        from app.tools import clock
        from app.tools.clock import stamp
        from .tools.clock import stamp as again
        from elsewhere import clock as other

        print(app.tools.clock.stamp(), timer.stamp(), clock.stamp(), stamp(), again(), other.stamp())
    """,
}


def test_a_module_moves(tmp_path):
    result = moved(tmp_path, PACKAGE, "app/tools/clock.py", "app/core/clock.py")
    assert result.lines("app/main.py") == [
        "import app.core.clock",
        "import app.core.clock as timer",
        "from app.core import clock",
        "from app.core.clock import stamp",
        "from .core.clock import stamp as again",
        "from elsewhere import clock as other",
        "print(app.core.clock.stamp(), timer.stamp(), clock.stamp(), stamp(), again(), other.stamp())",
    ]
    assert "from ..tools.zone import UTC" in result.lines("app/core/clock.py")


def test_a_function_moves(tmp_path):
    body = "def clean(path):\n    return path.strip().lower().rstrip('/')\n"
    files = {
        "a.py": "import os\n\n\nPATH = os.sep\n",
        "c.py": "from a import PATH, clean\n\nclean(PATH)\n",
        "d.py": "from b import other\nfrom a import (\n    clean,\n    PATH,\n)\n\nclean(PATH, other)\n",
        "e.py": "def f():\n    from a import clean\n\n    return clean(1)\n",
        "g.py": "import a\n\na.clean(a.PATH)\n",
    }
    result = carried_files(
        tmp_path,
        files,
        [
            EditedFile("a.py", "python", f"import os\n\n\nPATH = os.sep\n\n\n{body}", files["a.py"]),
            EditedFile("b.py", "python", "other = 1\n", f"other = 1\n\n\n{body}"),
        ],
    )
    assert result.texts["c.py"] == "from a import PATH\nfrom b import clean\n\nclean(PATH)\n"
    assert result.texts["d.py"] == "from b import other, clean\nfrom a import (\n    PATH,\n)\n\nclean(PATH, other)\n"
    assert "    from b import clean\n" in result.texts["e.py"]
    assert result.texts["g.py"] == files["g.py"]
    assert ("g.py", 2) in result.left


DEFINITIONS = {
    "one": "def one(a):\n    b = a + 1\n    return b * 3\n",
    "two": "def two(c):\n    d = c - 1\n    return d / 4\n",
    "three": "def three(e):\n    return e\n",
}


def names_moved(tmp_path, user, to, target="x = 1\n"):
    """`user`, which imports from a.py, and what is left of it, after definitions moved from there to other files."""
    after = dict.fromkeys(to.values(), target)
    for name, path in to.items():
        after[path] += f"\n\n{DEFINITIONS[name]}"
    rest = "\n\n".join(text for name, text in DEFINITIONS.items() if name not in to)
    changed = [EditedFile("a.py", "python", "\n\n".join(DEFINITIONS.values()), rest)]
    changed += [EditedFile(path, "python", target, text) for path, text in after.items()]
    result = carried_files(tmp_path, {"c.py": user}, changed)
    return result.texts["c.py"], {line for path, line in result.left if path == "c.py"}


@pytest.mark.parametrize(
    ("user", "moved", "expected"),
    [
        ("from a import one, two, three\n", ["one", "two"], "from a import three\nfrom b import one, two\n"),
        ("from a import one, two, three\n", ["two", "three"], "from a import one\nfrom b import two, three\n"),
        ("from a import one, two, three\n", ["one", "three"], "from a import two\nfrom b import one, three\n"),
        ("from a import one, two\n", ["one", "two"], "from b import one, two\n"),
        ("from a import one, two\nfrom b import x\n", ["one"], "from a import two\nfrom b import x, one\n"),
        (
            "from a import two, one, three\nfrom b import x\n",
            ["one", "two"],
            "from a import three\nfrom b import x, two, one\n",
        ),
        ("from a import one, two\nfrom b import one\n", ["one"], "from a import two\nfrom b import one\n"),
        (
            "def f():\n    from b import x\n\n\nfrom a import one, two\n",
            ["one"],
            "def f():\n    from b import x\n\n\nfrom a import two\nfrom b import one\n",
        ),
    ],
)
def test_names_of_one_statement_move_at_once(tmp_path, user, moved, expected):
    assert names_moved(tmp_path, user, dict.fromkeys(moved, "b.py")) == (expected, set())


def test_names_that_move_to_several_files(tmp_path):
    user = "from a import one, two\n"
    assert names_moved(tmp_path, user, {"one": "b.py", "two": "d.py"})[0] == "from b import one\nfrom d import two\n"


def test_a_statement_without_a_line_of_its_own_is_left(tmp_path):
    user = "x = 1; from a import one, two\n"
    assert names_moved(tmp_path, user, {"one": "b.py"}) == (user, {0})


def test_line_breaks_stay(tmp_path):
    user = "from a import one, two\r\n"
    assert names_moved(tmp_path, user, {"one": "b.py"})[0] == "from a import two\r\nfrom b import one\r\n"
    above = "from a import one, two"
    (tmp_path / "above").mkdir()
    assert (
        names_moved(tmp_path / "above", "\r\n" + above, {"one": "_b.py"})[0]
        == "\r\nfrom _b import one\r\nfrom a import two"
    )


def test_names_of_typescript(tmp_path):
    body = "export function one(a: number) {\n  const b = a + 1;\n  return b * 3;\n}\n"
    kind = "export interface Two {\n  first: number;\n  second: string;\n}\n"
    rest = "export class Three {}\n"
    files = {
        "c.ts": 'import { one, Two, Three } from "./a";\nimport type { X } from "./b";\n',
        "d.ts": "import type { Two, Three } from './a'\n",
        "e.ts": 'import a, { one } from "./a";\n',
    }
    changed = [
        EditedFile("a.ts", "typescript", f"{body}\n{kind}\n{rest}", rest),
        EditedFile("b.ts", "typescript", "export type X = 1;\n", f"export type X = 1;\n\n{body}\n{kind}"),
    ]
    result = carried_files(tmp_path, files, changed)
    assert result.lines("c.ts")[:2] == ['import { Three } from "./a";', 'import { one, Two } from "./b";']
    assert result.lines("d.ts") == ["import type { Three } from './a'", "import type { Two } from './b'"]
    assert result.texts["e.ts"] == files["e.ts"]
    assert ("e.ts", 0) in result.left


def test_what_is_handed_on_needs_nothing(tmp_path):
    body = "def clean(path):\n    return path.strip().lower().rstrip('/')\n"
    files = {"c.py": "from a import clean\n\nclean(1)\n"}
    result = carried_files(
        tmp_path,
        files,
        [EditedFile("a.py", "python", body, "from b import clean\n"), EditedFile("b.py", "python", "", body)],
    )
    assert result.texts["c.py"] == files["c.py"]


def test_typescript(tmp_path):
    files = {
        "src/utils/dates.ts": 'import { pad } from "./pad";\n\nexport const day = (at: Date) => pad(at.getDay());\n',
        "src/utils/pad.ts": "export const pad = String;\n",
        "src/main.ts": """\
            import { day } from "./utils/dates";
            import * as dates from './utils/dates.js';
            export { day } from "@/utils/dates";
            const again = require("./utils/dates");
        """,
    }
    result = moved(tmp_path, files, "src/utils/dates.ts", "src/time/days.ts")
    assert result.lines("src/main.ts") == [
        'import { day } from "./time/days";',
        "import * as dates from './time/days.js';",
        'export { day } from "@/time/days";',
        'const again = require("./time/days");',
    ]
    assert result.lines("src/time/days.ts")[0] == 'import { pad } from "../utils/pad";'


def test_go(tmp_path):
    files = {
        "go.mod": "module example.com/m\n",
        "util/hash/hash.go": "package hash\n\nfunc Of(data []byte) string {\n\treturn string(data)\n}\n",
        "main.go": 'package main\n\nimport (\n\t"hash"\n\n\th "example.com/m/util/hash"\n)\n\nvar x = h.Of(hash.Y)\n',
    }
    result = moved(tmp_path, files, "util/hash/hash.go", "internal/hash/hash.go")
    assert '\th "example.com/m/internal/hash"' in result.texts["main.go"]
    assert '\t"hash"\n' in result.texts["main.go"]


@pytest.mark.parametrize(
    ("text", "importer", "old", "new", "expected"),
    [
        ("a.b", "main.py", "a/b.py", "c/d/b.py", "c.d.b"),
        ("b", "src/main.py", "src/b.py", "src/c/b.py", "c.b"),
        (".b", "p/a.py", "p/b.py", "p/q/b.py", ".q.b"),
        ("..b", "p/q/a.py", "p/b.py", "p/q/b.py", ".b"),
        (".b", "p/a.py", "p/b.py", "r/b.py", None),
        ("p", "main.py", "p/__init__.py", "q/__init__.py", "q"),
        ("other.b", "main.py", "a/b.py", "c/b.py", None),
    ],
)
def test_modules_of_python(text, importer, old, new, expected):
    assert module_names.python(text, importer, old, new) == expected


@pytest.mark.parametrize(
    ("text", "importer", "old", "new", "expected"),
    [
        ("./b", "src/a.ts", "src/b.ts", "src/c/b.ts", "./c/b"),
        ("../b.js", "src/x/a.ts", "src/b.ts", "src/x/b.ts", "./b.js"),
        ("./b", "a.js", "b/index.js", "c/index.js", "./c"),
        ("./b/index", "a.js", "b/index.js", "c/index.js", "./c/index"),
        ("@/b", "src/x/a.ts", "src/b.ts", "src/y/c.ts", "@/y/c"),
        ("./b.mjs", "a.mjs", "b.mjs", "lib/b.mjs", "./lib/b.mjs"),
        ("react", "a.js", "b.js", "c.js", None),
    ],
)
def test_paths_of_javascript(text, importer, old, new, expected):
    assert module_names.ecmascript(text, importer, old, new) == expected
