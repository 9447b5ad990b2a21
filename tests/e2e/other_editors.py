"""Helix and Emacs for the tests, where the system is a Debian: running this file fetches what is missing.

Knows where Debian puts their own files; `debian.py` does the rest.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import debian

SUITE = "trixie"
ROOT = Path(sys.prefix) / "editors"


@dataclass(frozen=True)
class Other:
    """A program, its package, where it finds its own files, and what of its dependencies it can do without."""

    name: str
    package: str
    environment: dict[str, str]
    without: tuple[str, ...] = ()


HELIX = Other("hx", "hx", {"HELIX_RUNTIME": "{prefix}/usr/lib/hx/runtime"})
EMACS = Other(
    "emacs-nox",
    "emacs-nox",
    {
        "EMACSDATA": "{prefix}/usr/share/emacs/30.1/etc",
        "EMACSLOADPATH": "{prefix}/usr/share/emacs/30.1/lisp",
        "EMACSPATH": "{prefix}/usr/libexec/emacs/30.1/x86_64-linux-gnu",
    },
    without=("*-dev", "binutils*", "emacs-el", "lib*san*"),  # sources, and what it would compile itself with
)


def program(other: Other) -> Path | None:
    """The program's path, or None where it was not fetched."""
    return debian.program(other.name, SUITE, ROOT / other.name)


def emacs_image() -> Path:
    """What Emacs has to be started with (`--dump-file`) where it does not lie at its usual place."""
    return next((ROOT / EMACS.name).glob("usr/libexec/emacs/*/*/*.pdmp"))


if __name__ == "__main__":
    for each in (HELIX, EMACS) if debian.available() else ():
        folder = ROOT / each.name
        found = debian.fetch(each.name, each.package, SUITE, folder, each.environment, each.without)
        sys.stdout.write(f"{found}\n")
