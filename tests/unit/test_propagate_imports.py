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
