"""Which code a figure was measured with."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path


def revision() -> str:
    """The commit of Foretype's own checkout, with "-dirty" where it was changed since; else the installed version."""
    root = Path(__file__).resolve().parent.parent
    if (root / ".git").exists():  # otherwise git would find the repository that a virtual environment lies in
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    try:
        return metadata.version("foretype")
    except metadata.PackageNotFoundError:
        return "unknown"
