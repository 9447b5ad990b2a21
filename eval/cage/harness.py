"""The child's side of `runner`: limits itself, runs one program and its tests, and says how it ended.

Run as a script by a bare interpreter; imports the standard library alone. Reads one JSON object from stdin: `token`,
`program`, `test`, `entry_point`, and `limits`, `user`, `alarm_s` as `sandbox_child.limit` takes them. Writes
`<token> <reason>` where stdout led, once, at the very end; what the program prints leads nowhere.
"""

from __future__ import annotations

import json
import os
import sys
import types


def main() -> None:
    # Bound before the program runs, so that replacing them in `os` changes nothing here.
    write, leave, process_id = os.write, os._exit, os.getpid
    own = process_id()
    order = json.loads(sys.stdin.buffer.read())
    token = order.pop("token")
    verdict = os.dup(1)
    try:
        silence()
        limit(order["limits"], order["alarm_s"], order["user"])
    except Exception:
        reason = "error"
    else:
        reason = judge(order["program"], order["test"], order["entry_point"])
    # A fork of the program that comes this far has no say.
    if process_id() == own:
        write(verdict, f"{token} {reason}".encode())
    leave(0)


def judge(program: str, test: str, entry_point: str) -> str:
    """Runs `program`, then `test`, which defines `check`, then `check(entry_point)`.

    The two are compiled apart: an unclosed string or bracket of the program cannot swallow its tests.
    """
    module = types.ModuleType("program")
    sys.modules["program"] = module  # dataclasses and pickle look their module up
    try:
        for name, source in (("program.py", program), ("test.py", test)):
            exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
        module.__dict__["check"](module.__dict__[entry_point])
    except MemoryError:
        return "memory"
    except SystemExit:
        return "exited"
    except BaseException:
        return "failed"
    return "passed"


def limit(limits: dict[str, int], alarm_s: int, user: int) -> None:
    # a script finds its neighbour only by its folder, which the program has no business with
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import child

    del sys.path[0], sys.modules["child"]
    child.limit(limits, alarm_s, user)


def silence() -> None:
    """Leads stdin, stdout and stderr to the null device: reading ends at once, output is discarded unread."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)


if __name__ == "__main__":
    main()
