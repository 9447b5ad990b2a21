from __future__ import annotations

import re
import time

from commits import changed, exactly

from foretype.mining import relate
from foretype.mining.commit import FileTexts
from foretype.mining.touched import touched


def grouped(*files: FileTexts, message: str = "") -> list[list[tuple[str, int]]]:
    """Groups of hunks by file and 1-based line of the new text."""
    found = relate.groups(files, message)
    return [[(item.file.path, item.hunk.new_start + 1) for item in group] for group in found]


FAR = "".join(f"filler_{n} = {n}\n" for n in range(20))


def test_a_parameter_and_its_callers_are_one_thing_and_a_typo_another() -> None:
    before = f"def log(text):\n    print(text)\n{FAR}# teh end\n{FAR}def work():\n    log('started')\n"
    after = (
        f"def log(text, level):\n    print(level, text)\n{FAR}# the end\n{FAR}"
        "def work():\n    log('started', level='info')\n"
    )
    caller = changed(
        "other.py",
        """
        from a import log

        def go():
            log("gone")
        """,
        """
        from a import log

        def go():
            log("gone", level="debug")
        """,
    )
    assert grouped(exactly("a.py", before, after), caller) == [
        [("a.py", 1), ("a.py", 45), ("other.py", 5)],
        [("a.py", 23)],
    ]


def test_a_rename_is_carried_through() -> None:
    before = f"def total(items):\n    return sum(items)\n{FAR}print(total([1]))\n{FAR}x = total([2])\n"
    file = exactly("a.py", before, before.replace("total", "add_up"))
    assert grouped(file) == [[("a.py", 1), ("a.py", 23), ("a.py", 44)]]


def test_the_same_change_at_another_place_belongs_to_it() -> None:
    before = "".join(f"def f{n}(a):\n    check(a, {n}, None)\n    return a\n{FAR}" for n in range(3))
    after = before.replace("check(a, ", "check(a.value, limit=")
    assert len(grouped(exactly("a.py", before, after))) == 1


def test_changes_that_look_alike_need_no_common_names() -> None:
    before = "".join(f"    check_{n}(item_{n})\n{FAR}" for n in range(3))
    after = re.sub(r"(check_\d\(item_\d\))", r"if not \1: return None", before)
    assert len(grouped(exactly("a.py", before, after))) == 1


def test_a_test_goes_with_the_function_that_it_names() -> None:
    subject = changed(
        "src/shapes.py",
        """
        def area(radius):
            return 3 * radius
        """,
        """
        def area(radius):
            return 3 * radius ** 2
        """,
    )
    test = changed(
        "tests/test_shapes.py",
        """
        def test_area():
            assert area(2) == 6
        """,
        """
        def test_area():
            assert area(2) == 12
        """,
    )
    assert len(grouped(subject, test)) == 1


def test_what_shares_nothing_is_apart() -> None:
    before = f"colour = 'red'\n{FAR}def size():\n    return 4\n"
    after = f"colour = 'blue'\n{FAR}def size():\n    return len(measure())\n"
    other = changed("b.go", "package b\n\nvar Limit = 3\n", "package b\n\nvar Limit = 4\n")
    assert len(grouped(exactly("a.py", before, after), other)) == 3


def test_one_hunk_and_none() -> None:
    assert grouped(changed("a.py", "a = 1\n", "a = 2\n")) == [[("a.py", 1)]]
    assert grouped() == []


def test_every_hunk_is_in_one_group_and_the_order_of_files_decides_nothing_else() -> None:
    files = [exactly(f"f{n}.py", f"a{n} = 1\n{FAR}b = {n}\n", f"a{n} = 2\n{FAR}b = z{n}\n") for n in range(5)]
    found = grouped(*files)
    assert sorted(place for group in found for place in group) == [(f"f{n}.py", at) for n in range(5) for at in (1, 22)]
    backwards = grouped(*reversed(files))
    assert {frozenset(group) for group in found} == {frozenset(group) for group in backwards}
    assert grouped(*files) == found


def test_many_hunks_take_no_more_than_their_number() -> None:
    def seconds(count: int) -> float:
        before = "".join(f"value_{n} = compute_{n}()\nkept_{n} = {n}\n" for n in range(count))
        file = exactly("a.py", before, before.replace("compute_", "measured_"))
        assert len(file.hunks) == count
        begun = time.process_time()
        relate.groups([file])
        return time.process_time() - begun

    seconds(10)  # the parser is loaded
    assert seconds(300) < 14 * seconds(50)  # all pairs would be 36


def test_what_a_hunk_touches() -> None:
    file = changed(
        "a.py",
        """
        class Shape:
            def area(self, scale):
                side = self.side
                return side * side
        """,
        """
        class Shape:
            def area(self, factor):
                side = self.side
                return side * side * factor
        """,
    )
    signature, body = touched([file])
    assert (signature.added, signature.removed, signature.defined) == ({"factor"}, {"scale"}, {"area"})
    assert (signature.inside, signature.body) == ("Shape.area", False)
    assert (body.added, body.removed, body.defined) == ({"factor"}, frozenset(), frozenset())
    assert (body.inside, body.owner, body.body) == ("Shape.area", "area", True)
    assert body.words == {"side", "factor"} and dict(body.come) == {"*": 1, "factor": 1}
