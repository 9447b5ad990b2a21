"""Renames carried to the uses: by scope, through imports, to members of what is known to be of the type."""

from __future__ import annotations

import pytest
from carrying import carried, carried_files, edited

from foretype.context.next_edit import EditedFile, Span, text_digest
from foretype.context.propagate import Carried, carry
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace

SHOP = {
    "shop/__init__.py": "from .cart import total\n\n__all__ = ['total', 'other']\n",
    "shop/cart.py": """\
        def total(items):
            # total of all
            return sum(items) + total(items[1:])

        def show(total):
            print("total", total)

        class Report:
            def total(self):
                return total([1])
    """,
    "app.py": (
        "import shop.cart\nfrom shop import total\n\nprint(total([]), shop.cart.total([1]), x.total, f(total=1))\n"
    ),
    "alias.py": "from shop.cart import total as add\nimport shop as s\n\nadd([]); s.total([]); total = 1\n",
    "local.py": "def f():\n    from shop.cart import total\n\n    return total([])\n\n\ntotal = f\n",
    "star.py": "from shop import *\n\nprint(total([]))\n",
    "other.py": "from elsewhere import total\n\ntotal([])\n",
}


def test_a_function_follows_its_imports(tmp_path):
    result = carried(tmp_path, SHOP, {"shop/cart.py": [("def total(items)", "def add_up(items)")]})
    texts = result.texts
    assert texts["shop/__init__.py"] == "from .cart import add_up\n\n__all__ = ['add_up', 'other']\n"
    assert texts["shop/cart.py"].count("add_up(") == 3
    assert "# total of all" in texts["shop/cart.py"]
    assert 'def show(total):\n    print("total", total)' in texts["shop/cart.py"]
    assert "def total(self):\n        return add_up([1])" in texts["shop/cart.py"]
    assert "from shop import add_up\n\nprint(add_up([]), shop.cart.add_up([1]), x.total, f(total=1))" in texts["app.py"]
    assert texts["alias.py"] == (
        "from shop.cart import add_up as add\nimport shop as s\n\nadd([]); s.add_up([]); total = 1\n"
    )
    assert "import add_up\n\n    return add_up([])\n\n\ntotal = f" in texts["local.py"]
    assert "print(add_up([]))" in texts["star.py"]
    assert texts["other.py"] == SHOP["other.py"]


def test_nearest_first(tmp_path):
    result = carried(tmp_path, SHOP, {"shop/cart.py": [("def total(items)", "def add_up(items)")]})
    paths = [edit.path for edit in result.carried.edits]
    assert paths[: paths.count("shop/cart.py")] == ["shop/cart.py"] * paths.count("shop/cart.py")
    assert paths[paths.count("shop/cart.py") :] == sorted(paths[paths.count("shop/cart.py") :])
    reasons = {(edit.lane, edit.reason, edit.why) for edit in result.carried.edits if edit.path == "app.py"}
    assert reasons == {("rule", "rename", "total was renamed to add_up")}


def test_the_lines_below_the_edit_go_first(tmp_path):
    text = "print(size())\n\n\ndef size():\n    return 1\n\n\nprint(size())\n"
    result = carried(tmp_path, {"a.py": text}, {"a.py": [("def size", "def extent")]})
    assert [edit.span.start_line for edit in result.carried.edits] == [7, 0]


def test_what_was_renamed_already_is_not_proposed_again(tmp_path):
    first = carried(tmp_path, SHOP, {"shop/cart.py": [("def total(items)", "def add_up(items)")]})
    files = [
        EditedFile(path, "python", edited(path, text).before, first.texts[path])
        for path, text in SHOP.items()
        if first.texts[path] != edited(path, text).before
    ]
    assert carried_files(tmp_path, SHOP, files).carried.edits == ()


def test_a_cap_is_said(tmp_path):
    text = "def size():\n    return 1\n\n\n" + "size()\n" * 30
    result = carried(tmp_path, {"a.py": text}, {"a.py": [("def size", "def extent")]}, limit=12)
    assert len(result.carried.edits) == 12
    assert result.carried.capped == 18


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("def f(a, b):\n    return a + b\n", ("f(a, b)", "f(b, b)")),  # broken: two of one name
        ("def f(a):\n    b = 1\n    return a + b\n", ("f(a)", "f(b)")),  # means something else already
        ("x = g()\n\n\ndef f():\n    x = g()\n    x = h()\n    return x\n", ("    x = g()", "    y = g()")),
        ("import size\n\n\ndef total():\n    return size\n\n\nprint(total())\n", ("def total", "def size")),
        ("print(size())\n", ("size()", "extent()")),
    ],
    ids=["twice", "taken by a variable", "written again unread", "taken by an import", "a use"],
)
def test_quiet_where_it_is_not_sure(tmp_path, before, change):
    assert carried(tmp_path, {"a.py": before}, {"a.py": [change]}).carried.edits == ()


def test_a_file_that_uses_the_new_name_is_left(tmp_path):
    files = {"a.py": "def size():\n    return 1\n", "b.py": "from a import size\n\nextent = size()\nprint(extent)\n"}
    result = carried(tmp_path, files, {"a.py": [("def size", "def extent")]})
    assert result.texts["b.py"] == files["b.py"]
    assert ("b.py", 0) in result.left


def test_a_global_that_functions_write(tmp_path):
    text = "count = 0\n\n\ndef up():\n    global count\n    count += 1\n\n\n"
    text += "def other():\n    count = 2\n    return count\n"
    result = carried(tmp_path, {"a.py": text}, {"a.py": [("count = 0", "calls = 0")]})
    assert "global calls\n    calls += 1" in result.texts["a.py"]
    assert "count = 2\n    return count" in result.texts["a.py"]


POOL = {
    "pool.py": """\
        class Pool:
            def __init__(self, timeout):
                self.timeout = timeout
                self.size = 1

            def wait(self, other: "Pool", thing):
                sleep(self.timeout, other.timeout, thing.timeout, timeout=self.timeout)

        class Other:
            def __init__(self, timeout):
                self.timeout = timeout

            def wait(self):
                return self.timeout
    """,
    "big.py": """\
        from pool import Other, Pool as Base

        class Big(Base):
            def wait(self):
                return super().wait(self, self) or self.timeout

        def use(big: Big, maybe: Base | None, thing):
            pools = [Big(1)]
            one = Base(2)
            other = Other(1)
            return big.timeout + one.timeout + other.timeout + thing.timeout + maybe.timeout
    """,
}


def test_a_field_follows_where_the_type_is_known(tmp_path):
    result = carried(tmp_path, POOL, {"pool.py": [("self.timeout = timeout", "self.deadline = timeout")]})
    assert "sleep(self.deadline, other.deadline, thing.timeout, timeout=self.deadline)" in result.texts["pool.py"]
    assert "self.timeout = timeout\n\n    def wait(self):\n        return self.timeout" in result.texts["pool.py"]
    assert "or self.deadline" in result.texts["big.py"]
    assert (
        "return big.deadline + one.deadline + other.timeout + thing.timeout + maybe.deadline" in result.texts["big.py"]
    )
    line = (
        POOL["pool.py"]
        .splitlines()
        .index("                sleep(self.timeout, other.timeout, thing.timeout, timeout=self.timeout)")
    )
    assert ("pool.py", line) not in result.left or any(edit.span.start_line == line for edit in result.carried.edits)


def test_a_method_with_its_overrides(tmp_path):
    result = carried(tmp_path, POOL, {"pool.py": [("def wait(self, other", "def pause(self, other")]})
    assert "def pause(self):\n        return super().pause(self, self)" in result.texts["big.py"]
    assert "    def wait(self):\n        return self.timeout" in result.texts["pool.py"]


def test_an_override_alone_is_not_carried(tmp_path):
    result = carried(tmp_path, POOL, {"big.py": [("def wait(self)", "def pause(self)")]})
    assert result.carried.edits == ()


TYPESCRIPT = {
    "src/user.ts": """\
        export interface User {
          name: string;
          age: number;
        }
        export function load(name: string): User {
          return { name, age: 1 };
        }
        export class Store {
          private users: User[] = [];
          first(): string {
            const { name } = this.users[0];
            return name;
          }
          find(name: string): User | undefined {
            return this.users.find((user) => user.name === name);
          }
        }
        export default load;
    """,
    "src/index.ts": 'export { load, type User } from "./user";\nexport * from "./other";\n',
    "src/view.ts": """\
        import { load, User } from "./index";
        import * as all from "./user";

        const pick = (user: User, other: { name: string }) => `${user.name} ${other.name}`;
        export const load2 = { load, name: load("a").name };
        all.load("b");
        function shadow(load: () => void) {
          load();
        }
    """,
}


def test_typescript_functions(tmp_path):
    result = carried(tmp_path, TYPESCRIPT, {"src/user.ts": [("function load", "function fetchUser")]})
    assert "export default fetchUser;" in result.texts["src/user.ts"]
    assert "export { fetchUser, type User }" in result.texts["src/index.ts"]
    view = result.texts["src/view.ts"]
    assert "import { fetchUser, User }" in view
    assert 'const load2 = { load: fetchUser, name: fetchUser("a").name };' in view
    assert 'all.fetchUser("b");' in view
    assert "function shadow(load: () => void) {\n  load();" in view


def test_typescript_fields(tmp_path):
    result = carried(tmp_path, TYPESCRIPT, {"src/user.ts": [("name: string;", "label: string;")]})
    user, view = result.texts["src/user.ts"], result.texts["src/view.ts"]
    assert "return { label: name, age: 1 };" in user
    assert "(user: User, other: { name: string }) => `${user.label} ${other.name}`" in view
    assert "user.name === name" in user  # what `find` gives is not known
    assert ("src/user.ts", 14) in result.left


GO = {
    "go.mod": "module example.com/app\n\ngo 1.22\n",
    "store/store.go": """\
package store

type Store struct {
\tsize int
\titems []*Item
}

type Item struct{ size int }

func New(size int) *Store {
\treturn &Store{size: size, items: nil}
}

func (s *Store) Add(item *Item) int {
\tsize := item.size
\ts.size += size
\treturn s.size
}
""",
    "store/more.go": """\
package store

func both(a Store, b Item) int {
\ts := New(1)
\treturn a.size + b.size + s.size
}
""",
    "main.go": """\
package main

import "example.com/app/store"

func main() {
\ts := store.New(1)
\tvar t store.Store
\tt.Add(nil)
\ts.Add(nil)
}
""",
}


def test_go_fields(tmp_path):
    result = carried(tmp_path, GO, {"store/store.go": [("\tsize int\n", "\tlength int\n")]})
    assert "&Store{length: size, items: nil}" in result.texts["store/store.go"]
    assert "size := item.size\n\ts.length += size\n\treturn s.length" in result.texts["store/store.go"]
    assert "return a.length + b.size + " in result.texts["store/more.go"]


def test_go_functions_of_a_package(tmp_path):
    result = carried(tmp_path, GO, {"store/store.go": [("func New(", "func Open(")]})
    assert "s := Open(1)" in result.texts["store/more.go"]
    assert "s := store.Open(1)" in result.texts["main.go"]


def test_go_methods(tmp_path):
    result = carried(tmp_path, GO, {"store/store.go": [("Add(item", "Put(item")]})
    assert "t.Put(nil)" in result.texts["main.go"]
    assert "s.Add(nil)" in result.texts["main.go"]
    assert ("main.go", 8) in result.left


def test_lines_of_windows_and_letters_of_everybody(tmp_path):
    files = {"a.py": "def größe(x):\r\n    return x\r\n\r\n\r\nprint('äöü 🎉', größe(1), 'größe')\r\n"}
    result = carried(tmp_path, files, {"a.py": [("def größe", "def länge")]})
    assert result.texts["a.py"].endswith("print('äöü 🎉', länge(1), 'größe')\r\n")


def test_a_file_with_an_error_elsewhere(tmp_path):
    text = "def size():\n    return 1\n\n\nprint(size())\n\n\ndef broken(:\n    size()\n"
    result = carried(tmp_path, {"a.py": text}, {"a.py": [("def size", "def extent")]})
    assert "print(extent())" in result.texts["a.py"]


def test_files_that_are_not_there_or_none_of_ours(tmp_path):
    before, after = "def size():\n    return 1\n\n\nsize()\n", "def extent():\n    return 1\n\n\nsize()\n"
    outside = carried_files(tmp_path / "in", {"b.py": "size()\n"}, [])
    assert outside.carried.edits == ()
    workspace = Workspace.open(tmp_path / "in", None)
    for path in ("../out.py", "gone.py", "b.txt", ""):
        assert carry(workspace, [EditedFile(path, "python", before, after)]) == Carried((), ())
    workspace.close()


def test_an_unsaved_document_goes_before_its_file(tmp_path):
    (tmp_path / "a.py").write_text("print(1)\n")
    workspace = Workspace.open(tmp_path, None)
    before, after = "def size():\n    return 1\n\n\nsize()\n", "def extent():\n    return 1\n\n\nsize()\n"
    for path in ("a.py", "new.py"):
        workspace.opened(Snapshot(f"file:///{path}", path, "python", 3, tuple(split_lines(after))))
        (edit,) = carry(workspace, [EditedFile(path, "python", before, after)]).edits
        assert (edit.path, edit.span, edit.text) == (path, Span(4, 0, 4, 4), "extent")
        assert edit.digest == text_digest(after)
    workspace.close()


def test_what_may_be_a_use_counts_less_than_what_is(tmp_path):
    result = carried(tmp_path, POOL, {"pool.py": [("self.timeout = timeout", "self.deadline = timeout")]})
    assert {place.score for place in result.carried.left} == {0.4}
    assert {place.symbol for place in result.carried.left} == {"timeout"}


def test_the_first_edits_do_not_wait_for_all_files(tmp_path):
    before = "def size():\n    return 1\n\n\nsize()\n"
    after = before.replace("def size", "def extent")
    users = {f"user{n}.py": "from a import size\n\nsize()\n" for n in range(9)}
    early = []
    carried_files(tmp_path, users, [EditedFile("a.py", "python", before, after)])
    workspace = Workspace.open(tmp_path, None)
    workspace.refresh(children=0)
    whole = carry(workspace, [EditedFile("a.py", "python", before, after)], early=early.append)
    workspace.close()
    assert early[0].path == "a.py" and early[0] == whole.edits[0]
    assert len(dict.fromkeys(edit.path for edit in early)) == 1 + 4
    assert set(early) < set(whole.edits) and len({edit.path for edit in whole.edits}) == 1 + 9
