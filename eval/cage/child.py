"""The child's side of `sandbox`: limits itself, becomes nobody, and is then what the run is about.

As a script, by a bare interpreter, it reads one line of JSON from stdin (`limits`, `user`, `alarm_s`, `argv`) and
becomes `argv`; as a module it lends `limit` to children that go on in the same process. Standard library alone.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` is made of; its enumerations take longer than the rest
import os


def main() -> None:
    import json

    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):  # what follows belongs to the program
        line += byte
    order = json.loads(line)
    limit(order["limits"], order["alarm_s"], order["user"])
    os.execv(order["argv"][0], order["argv"])


def limit(limits: dict[str, int], alarm_s: int, user: int = 0) -> None:
    """Sets what this platform has of `limits` (names of `resource` to values); one that it refuses is left out. Then
    becomes `user`, unless that is 0: with it go all capabilities."""
    if hasattr(_signal, "alarm"):
        _signal.alarm(alarm_s)  # should the parent be killed, this process still ends
    try:
        import resource
    except ImportError:
        return
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        # The processor's limit warns (SIGXCPU, which tells it from other kills) a second before it kills.
        ceiling = value + 1 if name == "RLIMIT_CPU" else value
        if hard != resource.RLIM_INFINITY:
            ceiling = min(ceiling, hard)
        try:
            resource.setrlimit(kind, (min(value, ceiling), ceiling))
        except (ValueError, OSError):
            continue
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


if __name__ == "__main__":
    main()
