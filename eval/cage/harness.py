"""The child's side of `runner`: limits itself, runs one program and its tests, and says how it ended.

Run as a script by a bare interpreter. Reads from stdin a line of words: a token, `alarm_s`, `user` and `limits` (each
`NAME=VALUE`) as `child.limit` takes them, with the lengths of program and tests in bytes before the limits; then the
program, its tests, and the name of what they test. Writes `<token> <reason>` where stdout led, once, at the very end;
what the program prints leads nowhere.

It runs once a task, so it imports only what an interpreter has at hand: `json` and `signal` alone would take nearly as
long to import as the interpreter takes to start.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    # Bound before the program runs, so that replacing them in `os` changes nothing here.
    write, leave, process_id = os.write, os._exit, os.getpid
    own = process_id()
    head, _, texts = sys.stdin.buffer.read().partition(b"\n")
    token, alarm_s, user, of_program, of_test, *limits = head.decode().split()
    middle, end = int(of_program), int(of_program) + int(of_test)
    parts = texts[:middle], texts[middle:end], texts[end:]
    program, test, entry_point = (part.decode("utf-8", "surrogatepass") for part in parts)
    verdict = os.dup(1)
    try:
        silence()
        limit({name: int(value) for name, _, value in (one.partition("=") for one in limits)}, int(alarm_s), int(user))
    except Exception:
        reason = "error"
    else:
        reason = judge(program, test, entry_point)
    # A fork of the program that comes this far has no say.
    if process_id() == own:
        write(verdict, f"{token} {reason}".encode())
    leave(0)


def judge(program: str, test: str, entry_point: str) -> str:
    """Runs `program`, then `test`, which defines `check`, then `check(entry_point)`.

    The two are compiled apart: an unclosed string or bracket of the program cannot swallow its tests.
    """
    module = type(sys)("program")
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
