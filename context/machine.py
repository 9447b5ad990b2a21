"""What this machine has for us: cores, memory, folders for what can be made again and for what cannot.

Knows nothing of what they are for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """`FORETYPE_CACHE`, or the platform's cache folder. May not exist."""
    return _folder("FORETYPE_CACHE", platformdirs.user_cache_dir)


def data_dir() -> Path:
    """`FORETYPE_DATA`, or the platform's folder for a user's data. May not exist."""
    return _folder("FORETYPE_DATA", platformdirs.user_data_dir)


def config_file() -> Path:
    """`FORETYPE_CONFIG`, or `foretype.toml` in the platform's folder for a user's settings. May not exist."""
    if own := os.environ.get("FORETYPE_CONFIG"):
        return Path(own)
    return _folder("", platformdirs.user_config_dir) / "foretype.toml"


def _folder(variable: str, platforms: Callable[..., str]) -> Path:
    """What a variable says, or the platform's. Where that is in the home folder of somebody who has none (as services
    and containers run programs), a path that nothing can be read from or written to, and that says why."""
    own = os.environ.get(variable)
    try:
        found = Path(own).expanduser().absolute() if own else Path(platforms("foretype", appauthor=False))
        if found.is_absolute():
            return found
    except RuntimeError:
        pass
    return Path(os.devnull, f"no home folder: set {variable or 'HOME'}")


def cores() -> int:
    """Physical cores that this process may use; a second thread on one core only gets in the way."""
    import psutil  # takes a hundredth of a second, which the server's start does without

    physical = psutil.cpu_count(logical=False) or 1
    process = psutil.Process()
    return min(physical, len(process.cpu_affinity())) if hasattr(process, "cpu_affinity") else physical


def peak_mib(children: int = 0) -> float:
    """The most memory that this process ever had resident, and `children` times the most that a child of it had.

    On Windows, where nobody keeps the children's peak, of this process alone.
    """
    if os.name == "nt":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    own, child = (resource.getrusage(who).ru_maxrss / unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (_high_water_mib() or own) + child * children


def _high_water_mib() -> float:
    """VmHWM of Linux, 0 elsewhere: what `getrusage` says there of a process that was forked from a large one includes
    that one's memory (kernel, `exec_mmap`)."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) / 2**10 for line in status if line.startswith("VmHWM:")), 0.0)
    except OSError:
        return 0.0
