"""Which vector instructions this processor has, by their names in Linux (`avx2`, `avx512_vnni`, `asimddp`).

Asks the system; knows nothing of what they are good for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# `IsProcessorFeaturePresent` of the Windows API: PF_AVX2_INSTRUCTIONS_AVAILABLE, PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
_WINDOWS = {40: "avx2", 43: "asimddp"}
# `sysctl` of macOS, for Intel and for Apple's own
_MACOS = ("machdep.cpu.leaf7_features", "hw.optional.arm.FEAT_DotProd")
_PATIENCE_S = 5.0


def known() -> frozenset[str]:
    """All of them on Linux, and those that matter most elsewhere; empty where the system does not tell."""
    try:
        if sys.platform == "win32":
            return _windows()
        return _macos() if sys.platform == "darwin" else of_linux(Path("/proc/cpuinfo").read_text("utf-8"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return frozenset()


def of_linux(cpuinfo: str) -> frozenset[str]:
    """Of the first processor in `/proc/cpuinfo`."""
    for line in cpuinfo.splitlines():
        title, _, value = line.partition(":")
        if title.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def of_macos(leaf7: str, dot_product: str) -> frozenset[str]:
    """From what `sysctl` says under the two names; "" for a name it does not have."""
    return frozenset(leaf7.lower().split()) | (frozenset({"asimddp"}) if dot_product.strip() == "1" else frozenset())


def _macos() -> frozenset[str]:
    said = (
        subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=_PATIENCE_S).stdout
        for name in _MACOS
    )
    return of_macos(*said)


def _windows() -> frozenset[str]:
    import ctypes

    present = ctypes.windll.kernel32.IsProcessorFeaturePresent  # type: ignore[attr-defined,unused-ignore]
    return frozenset(name for number, name in _WINDOWS.items() if present(number))
