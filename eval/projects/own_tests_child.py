"""The child's side of `own_tests`: runs some of a package's tests once, under limits, and says how they ended.

Run as a script with the package and pytest on the path. Reads one JSON object from stdin: `token`, `arguments` (of
pytest), `trace` (a folder whose lines are to be told, "" for none), `most` (tests of one line), `alarm_s`, `limits`.
Writes one JSON object where stdout led, at the very end: `token`, `status` (pytest's exit status) and, when tracing,
`lines`: by file, below the current folder, and by line, counted from 1, the tests that ran it and passed, the fastest
first.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_ONE_S = 15.0  # a test that takes longer while it is traced waits for something that is not there


def main() -> None:
    write, leave, process_id = os.write, os._exit, os.getpid
    own = process_id()
    order = json.loads(sys.stdin.buffer.read())
    token = order.pop("token")
    verdict = os.dup(1)
    harness = _harness()
    harness.silence()
    harness.limit(order["limits"], order["alarm_s"], order["user"])
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    sys.argv = ["pytest"]
    tracer = Tracer(order["trace"], order["most"]) if order["trace"] else None
    status = int(pytest.main(order["arguments"], plugins=[tracer] if tracer else []))
    said = json.dumps({"token": token, "status": status, "lines": tracer.lines() if tracer else {}}).encode()
    if process_id() == own:
        while said:
            said = said[write(verdict, said) :]
    leave(0)


class Tracer:
    """A plugin of pytest that notes which test runs which line."""

    def __init__(self, folder: str, most: int) -> None:
        import coverage

        self._most = most
        self._cov = coverage.Coverage(data_file=None, source=[folder], config_file=False, messages=False)
        self._seconds: dict[str, float] = defaultdict(float)
        self._bad: set[str] = set()
        self._cov.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._cov.switch_context(item.nodeid)
        limited = hasattr(signal, "setitimer")
        if limited:
            signal.signal(signal.SIGALRM, _too_long)
            signal.setitimer(signal.ITIMER_REAL, _ONE_S)
        yield
        if limited:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self._cov.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            self._bad.add(report.nodeid)

    def lines(self) -> dict[str, dict[int, list[str]]]:
        self._cov.stop()
        data, here = self._cov.get_data(), Path.cwd()
        found = {}
        for file in data.measured_files():
            path = Path(file)
            if path.is_relative_to(here):
                by_line = data.contexts_by_lineno(file)
                found[path.relative_to(here).as_posix()] = {
                    line: tests for line, contexts in by_line.items() if (tests := self._good(contexts))
                }
        return found

    def _good(self, contexts: list[str]) -> list[str]:
        tests = [test for test in set(contexts) if test in self._seconds and test not in self._bad]
        return sorted(tests, key=lambda test: (round(self._seconds[test], 2), test))[: self._most]


def _too_long(*_: object) -> None:
    raise TimeoutError


def _harness() -> Any:
    """`harness.py` beside this file, which knows how to limit a process."""
    spec = importlib.util.spec_from_file_location("_harness", Path(__file__).parent.parent / "cage" / "harness.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
