"""Members added to types: what constructors and callers follow, and what is left; and members of Java and Rust."""

from __future__ import annotations

import pytest
from carrying import carried

POLLER = """\
    class Poller:
        def __init__(self, check, pause):
            self._check = check
            self._pause = pause

    def make(check, pause, jitter):
        return Poller(check, pause)
"""


def test_a_parameter_of_a_constructor_is_kept_like_the_others(tmp_path):
    result = carried(tmp_path, {"a.py": POLLER}, {"a.py": [("(self, check, pause)", "(self, check, pause, jitter)")]})
    assert "        self._pause = pause\n        self._jitter = jitter\n" in result.texts["a.py"]
    assert "return Poller(check, pause, jitter)" in result.texts["a.py"]
    first = carried(tmp_path, {"a.py": POLLER}, {"a.py": [("(self, check, pause)", "(self, jitter, check, pause)")]})
    assert "        self._jitter = jitter\n        self._check = check\n" in first.texts["a.py"]
    assert "return Poller(jitter, check, pause)" in first.texts["a.py"]


@pytest.mark.parametrize(
    "change",
    [
        ("self._check = check", "self._check = check or pause"),
        ("self._pause = pause", "self._pause = pause\n        self.more = jitter"),
        ("self._pause = pause", "self._waits = pause"),
    ],
    ids=["not all are kept", "used already", "other names"],
)
def test_a_constructor_that_does_otherwise(tmp_path, change):
    changes = [("(self, check, pause)", "(self, check, pause, jitter)"), change]
    result = carried(tmp_path, {"a.py": POLLER}, {"a.py": changes})
    assert "self._jitter" not in result.texts["a.py"]


def test_a_declared_field_gets_into_the_constructor(tmp_path):
    text = """\
        class Vehicle:
            plate: str
            seats: int

            def __init__(self, plate: str, seats: int) -> None:
                self.plate = plate
                self.seats = seats
    """
    result = carried(tmp_path, {"a.py": text}, {"a.py": [("seats: int\n", "seats: int\n    region: str\n")]})
    assert "def __init__(self, plate: str, seats: int, region: str) -> None:" in result.texts["a.py"]
    assert "        self.seats = seats\n        self.region = region\n" in result.texts["a.py"]


DATA = {
    "a.py": """\
        from dataclasses import dataclass

        @dataclass(frozen=True)
        class Point:
            x: int
            y: int
            label: str = ""
    """,
    "b.py": """\
        from a import Point

        def make(z: int, w: str):
            return Point(1, 2), Point(x=1, y=2), Point(1, 2, "c")

        origin = Point(0, y=0)
    """,
}


def test_a_field_of_a_dataclass(tmp_path):
    added = carried(tmp_path, DATA, {"a.py": [("    y: int\n", "    y: int\n    z: int\n")]})
    assert 'return Point(1, 2, z), Point(x=1, y=2, z=z), Point(1, 2, z, "c")' in added.texts["b.py"]
    assert ("b.py", 5) in added.left
    gone = carried(tmp_path, DATA, {"a.py": [("    y: int\n", "")]})
    assert 'return Point(1), Point(x=1), Point(1, "c")' in gone.texts["b.py"]
    assert "origin = Point(0)" in gone.texts["b.py"]
    optional = carried(tmp_path, DATA, {"a.py": [('label: str = ""', 'label: str = ""\n    z: int = 0')]})
    assert optional.carried.edits == ()
    renamed = carried(tmp_path, DATA, {"a.py": [("    y: int\n", "    height: int\n")]})
    assert "Point(x=1, height=2)" in renamed.texts["b.py"]


ENUM = {
    "a.py": "from enum import Enum\n\n\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\n",
    "b.py": """\
        from a import Color

        NAMES = {
            Color.RED: "red",
            Color.BLUE: "blue",
        }

        def show(color):
            match color:
                case Color.RED:
                    return 1
                case Color.BLUE:
                    return 2

        def is_warm(color):
            return color is Color.RED
    """,
}


def test_what_names_all_members_of_an_enum_is_left(tmp_path):
    result = carried(tmp_path, ENUM, {"a.py": [("BLUE = 2\n", "BLUE = 2\n    GREEN = 3\n")]})
    assert result.carried.edits == ()
    assert [(place.path, place.start, place.stop) for place in result.carried.left] == [("b.py", 2, 6), ("b.py", 8, 13)]


def test_a_member_in_a_match_is_renamed(tmp_path):
    result = carried(tmp_path, ENUM, {"a.py": [("RED = 1", "CRIMSON = 1")]})
    assert "case Color.CRIMSON:" in result.texts["b.py"]
    assert 'Color.CRIMSON: "red"' in result.texts["b.py"]
    assert "Color.RED" not in result.texts["b.py"]


def test_an_interface_with_one_more_field(tmp_path):
    files = {
        "a.ts": "export interface A {\n  x: number;\n  y: number;\n}\n",
        "b.ts": (
            'import { A } from "./a";\n\nexport const one: A = {\n  x: 1,\n  y: 2,\n};\nconst two = { x: 1, y: 2 };\n'
        ),
    }
    result = carried(tmp_path, files, {"a.ts": [("y: number;\n", "y: number;\n  z: number;\n")]})
    assert [(place.path, place.start, place.stop) for place in result.carried.left] == [("b.ts", 2, 6)]


def test_properties_of_a_component(tmp_path):
    files = {
        "a.tsx": """\
            interface Props {
              tone: string;
            }
            export const Badge = ({ tone }: Props) => <b className={tone} title={x.tone} />;
        """,
        "b.tsx": """\
            import { Badge } from "./a";
            export const page = <div tone="a"><Badge tone="b" /></div>;
        """,
    }
    result = carried(tmp_path, files, {"a.tsx": [("tone: string", "color: string")]})
    assert "({ color }: Props) => <b className={color} title={x.tone} />" in result.texts["a.tsx"]
    assert '<div tone="a"><Badge color="b" /></div>' in result.texts["b.tsx"]


JAVA = {
    "p/Box.java": """\
        package p;

        public class Box {
            private int size;

            Box(int size) {
                this.size = size;
            }

            int grow(int by, int size) {
                int total = this.size + by + size;
                return total + grow(1, 2);
            }

            int shrink() {
                return size - new Box(1).size;
            }
        }
    """,
    "p/User.java": """\
        package p;

        class User extends Box {
            private final Box box;

            int use(Box other, Other more) {
                return box.grow(1, 2) + other.grow(3, 4) + more.grow(5, 6);
            }
        }
    """,
}


def test_java(tmp_path):
    field = carried(tmp_path, JAVA, {"p/Box.java": [("private int size", "private int extent")]})
    assert "this.extent = size;" in field.texts["p/Box.java"]
    assert "int total = this.extent + by + size;" in field.texts["p/Box.java"]
    assert "return extent - new Box(1).extent;" in field.texts["p/Box.java"]
    method = carried(tmp_path, JAVA, {"p/Box.java": [("int grow(int by, int size)", "int enlarge(int by, int size)")]})
    assert "return total + enlarge(1, 2);" in method.texts["p/Box.java"]
    assert "box.enlarge(1, 2) + other.enlarge(3, 4) + more.grow(5, 6)" in method.texts["p/User.java"]
    fewer = carried(tmp_path, JAVA, {"p/Box.java": [("int grow(int by, int size)", "int grow(int size)")]})
    assert "box.grow(2) + other.grow(4) + more.grow(5, 6)" in fewer.texts["p/User.java"]
    kind = carried(tmp_path, JAVA, {"p/Box.java": [("class Box", "class Crate")]})
    assert "Crate(int size) {" in kind.texts["p/Box.java"]
    assert "class User extends Crate {" in kind.texts["p/User.java"]


RUST = {
    "src/lib.rs": "mod shelf;\nmod user;\n",
    "src/shelf.rs": """\
        pub struct Shelf {
            pub size: u64,
            depth: u64,
        }

        impl Shelf {
            pub fn new(size: u64) -> Self {
                Shelf { size, depth: 1 }
            }

            pub fn fits(&self, other: &Shelf, size: u64, extra: u64) -> bool {
                println!("{}", size);
                let Shelf { size: s, .. } = other;
                self.size + size + extra > *s && other.fits(self, 1, 2)
            }
        }

        pub fn total(size: u64) -> u64 {
            size
        }
    """,
    "src/user.rs": """\
        use crate::shelf::{total, Shelf};

        fn f(shelf: &mut Shelf, other: &Other) -> u64 {
            let size = shelf.size + other.size;
            assert_eq!(total(1), size);
            shelf.fits(shelf, size, 1);
            total(size) + crate::shelf::total(2)
        }
    """,
}


def test_rust(tmp_path):
    field = carried(tmp_path, RUST, {"src/shelf.rs": [("pub size: u64", "pub extent: u64")]})
    assert "Shelf { extent: size, depth: 1 }" in field.texts["src/shelf.rs"]
    assert "let Shelf { extent: s, .. } = other;" in field.texts["src/shelf.rs"]
    assert "self.extent + size + extra > *s" in field.texts["src/shelf.rs"]
    assert "let size = shelf.extent + other.size;" in field.texts["src/user.rs"]
    function = carried(tmp_path, RUST, {"src/shelf.rs": [("fn total", "fn sum")]})
    assert "use crate::shelf::{sum, Shelf};" in function.texts["src/user.rs"]
    assert "assert_eq!(sum(1), size);" in function.texts["src/user.rs"]
    assert "sum(size) + crate::shelf::sum(2)" in function.texts["src/user.rs"]
    fewer = carried(tmp_path, RUST, {"src/shelf.rs": [(", size: u64, extra: u64", ", extra: u64")]})
    assert "other.fits(self, 2)" in fewer.texts["src/shelf.rs"]
    assert "shelf.fits(shelf, 1);" in fewer.texts["src/user.rs"]


def test_what_a_trait_asks_for_is_not_carried(tmp_path):
    text = """\
        struct A;

        impl std::fmt::Display for A {
            fn fmt(&self) -> u8 {
                self.fmt()
            }
        }
    """
    assert carried(tmp_path, {"a.rs": text}, {"a.rs": [("fn fmt", "fn show")]}).carried.edits == ()
