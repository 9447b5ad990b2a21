"""Import statements and the files they mean, by language."""

import pytest

from foretype.context import languages
from foretype.context.index import import_statements, imports
from foretype.context.index.imports import Layout
from foretype.context.symbols import Import


def workspace(paths: str) -> Layout:
    return imports.layout(paths.split())


def parsed(statement: str, name: str) -> list[tuple[str, str, str]]:
    language = languages.find(name)
    assert language is not None
    return list(import_statements.parse(statement, language))


def resolved(layout: Layout, path: str, module: str, name: str = "") -> list[str]:
    language = languages.find("", path)
    assert language is not None
    return list(imports.resolve(Import(path, module, name, "", 0), layout, language))


@pytest.mark.parametrize(
    ("language", "statement", "expected"),
    [
        ("python", "import a.b, c as d", [("a.b", "", ""), ("c", "", "d")]),
        ("python", "from a import (b as c, # why\n  d,\n)", [("a", "b", "c"), ("a", "d", "")]),
        ("python", "from . import *", [(".", "*", "")]),
        ("python", "from .. a import b, \\\n  c", [("..a", "b", ""), ("..a", "c", "")]),
        ("python", "from a import", []),
        ("javascript", 'import "a"', [("a", "", "")]),
        ("javascript", 'import a, { b as c, d } from "e"', [("e", "default", "a"), ("e", "b", "c"), ("e", "d", "")]),
        ("javascript", 'export * from "a"', [("a", "*", "")]),
        ("typescript", 'import { type A, B } from "c"', [("c", "A", ""), ("c", "B", "")]),
        ("go", '_ "a/b"', [("a/b", "", "_")]),
        (
            "rust",
            "pub use a::{b::{c, d as e}, self, f::*};",
            [
                *(("a::b", "c", ""), ("a::b", "d", "e"), ("", "a", ""), ("a::f", "*", "")),
            ],
        ),
        ("rust", "use a", [("", "a", "")]),
        ("java", "import static a.B.c;", [("a.B", "c", "")]),
        ("c", "#  include <a/b.h>", [("<a/b.h>", "", "")]),
        ("cpp", "#include MACRO", []),
        ("lua", 'local a = require "b.c"', [("b.c", "", "a")]),
    ],
)
def test_statements(language: str, statement: str, expected: list[tuple[str, str, str]]) -> None:
    assert parsed(statement, language) == expected


def test_python() -> None:
    layout = workspace(
        """
        src/shop/__init__.py src/shop/cart.py src/shop/core/__init__.py src/shop/core/money.py
        tests/test_cart.py tests/helpers.py plain/part/leaf.py scripts/run.py scripts/helpers.py
        stubs.pyi
        """
    )
    cart, package = "src/shop/cart.py", "src/shop/__init__.py"
    assert resolved(layout, "tests/test_cart.py", "shop.cart", "Cart") == [cart]
    assert resolved(layout, "tests/test_cart.py", "shop", "cart") == [cart, package]
    assert resolved(layout, cart, ".", "core") == ["src/shop/core/__init__.py", package]
    assert resolved(layout, cart, ".core.money", "Money") == ["src/shop/core/money.py"]
    assert resolved(layout, "src/shop/core/money.py", "..cart", "Cart") == [cart]
    assert resolved(layout, cart, "...cart", "x") == [] == resolved(layout, cart, ".....cart", "x")
    assert resolved(layout, "tests/test_cart.py", "helpers") == ["tests/helpers.py"]
    assert resolved(layout, "scripts/run.py", "helpers") == ["scripts/helpers.py"]
    assert resolved(layout, "scripts/run.py", "plain.part.leaf") == ["plain/part/leaf.py"]  # without __init__.py
    assert resolved(layout, cart, "stubs") == ["stubs.pyi"]
    assert resolved(layout, cart, "os.path") == []


def test_ecmascript() -> None:
    layout = workspace(
        """
        src/a.ts src/b/index.tsx src/c.d.ts src/data.json src/d.js src/d.ts lib/e.mjs src/ui/x.tsx
        """
    )
    assert resolved(layout, "src/a.ts", "./b") == ["src/b/index.tsx"]
    assert resolved(layout, "src/a.ts", "./c") == ["src/c.d.ts"]
    assert resolved(layout, "src/b/index.tsx", "../a.js", "x") == ["src/a.ts"]
    assert resolved(layout, "src/b/index.tsx", "..") == []
    assert resolved(layout, "src/a.ts", "../lib/e.mjs") == ["lib/e.mjs"]
    assert resolved(layout, "src/a.ts", "./d") == ["src/d.ts"]
    assert resolved(layout, "src/a.ts", "./data.json") == ["src/data.json"]
    assert resolved(layout, "src/a.ts", "@/ui/x") == ["src/ui/x.tsx"]
    assert resolved(layout, "src/a.ts", "react") == [] == resolved(layout, "src/a.ts", "../../../x")


def test_go() -> None:
    texts = {
        "go.mod": b"// shop\nmodule example.com/shop\n\ngo 1.22\n",
        "tools/go.mod": b'module "example.com/shop/tools"\n',
    }
    layout = imports.layout(
        [*texts, "main.go", "money/money.go", "money/round.go", "money/money_test.go", "tools/x/x.go"], texts.get
    )
    assert resolved(layout, "main.go", "example.com/shop/money") == ["money/money.go", "money/round.go"]
    assert resolved(layout, "money/money.go", "example.com/shop") == ["main.go"]
    assert resolved(layout, "main.go", "example.com/shop/tools/x") == ["tools/x/x.go"]
    assert resolved(layout, "main.go", "fmt") == [] == resolved(layout, "main.go", "example.com/shopping")


def test_rust() -> None:
    layout = workspace(
        """
        shop/src/lib.rs shop/src/cart.rs shop/src/cart/item.rs shop/src/money/mod.rs
        bin-tool/src/main.rs bin-tool/src/args.rs my-lib/src/lib.rs my-lib/src/deep.rs
        """
    )
    assert resolved(layout, "shop/src/lib.rs", "self::cart") == ["shop/src/cart.rs"]
    assert resolved(layout, "shop/src/cart.rs", "self::item") == ["shop/src/cart/item.rs"]
    assert resolved(layout, "shop/src/cart/item.rs", "crate::money", "Money") == ["shop/src/money/mod.rs"]
    assert resolved(layout, "shop/src/cart/item.rs", "super", "Cart") == ["shop/src/cart.rs"]
    assert resolved(layout, "shop/src/cart.rs", "crate", "run") == ["shop/src/lib.rs"]
    assert resolved(layout, "bin-tool/src/args.rs", "my_lib::deep", "f") == ["my-lib/src/deep.rs"]
    assert resolved(layout, "bin-tool/src/main.rs", "args", "Args") == ["bin-tool/src/args.rs"]
    assert resolved(layout, "bin-tool/src/args.rs", "std::fmt", "Debug") == []


def test_java() -> None:
    layout = workspace(
        """
        app/src/main/java/shop/Cart.java app/src/main/java/shop/Money.java app/src/test/java/shop/CartTest.java
        lib/src/main/java/shop/Cart.java
        """
    )
    app, lib = "app/src/main/java/shop/Cart.java", "lib/src/main/java/shop/Cart.java"
    assert resolved(layout, "app/src/test/java/shop/CartTest.java", "shop", "Cart") == [app, lib]  # the nearest first
    assert resolved(layout, "lib/src/main/java/shop/Cart.java", "shop.Money", "of") == [
        "app/src/main/java/shop/Money.java"
    ]
    assert resolved(layout, app, "shop", "*") == [
        *("app/src/main/java/shop/Money.java", "app/src/test/java/shop/CartTest.java", lib),
    ]
    assert resolved(layout, app, "java.util", "List") == []


def test_c() -> None:
    layout = workspace(
        """
        src/a.c src/a.h include/shop/cart.h include/a.h src/x/b.h
        """
    )
    assert resolved(layout, "src/a.c", '"a.h"') == ["src/a.h"]
    assert resolved(layout, "src/a.c", "<a.h>") == ["src/a.h", "include/a.h"]
    assert resolved(layout, "src/a.c", '"shop/cart.h"') == ["include/shop/cart.h"]
    assert resolved(layout, "src/x/b.h", '"../a.h"') == ["src/a.h"]
    assert resolved(layout, "src/a.c", "<stdio.h>") == []


def test_many_files_are_bounded() -> None:
    layout = imports.layout(f"p/f{index}.go" for index in range(1000))
    layout = imports.layout([*layout.files, "go.mod"], lambda path: b"module m")
    assert len(resolved(layout, "main.go", "m/p")) == imports.MAX_FILES
