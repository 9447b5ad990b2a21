"""Fetches one source distribution by name and version, and does not build it: `python sdists.py NAME VERSION FILE`.

`pip download` of a source distribution runs its build to learn its name. Here pip only looks the file up and gets it,
with the user's own indexes, proxies, certificates and credentials. Run as a script of its own, since pip is no library:
its inner names may change, and nothing else here shall depend on them (pip 24.1 to 26.3 have them). What was fetched is
to be checked by its digest. Ends with a line that says why there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pip._internal.commands import create_command
from pip._internal.exceptions import PipError
from pip._internal.utils.temp_dir import global_tempdir_manager
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.requests import RequestException


def main(name: str, version: str, file: str) -> str:
    """Why there is nothing in `file`, "" if there is."""
    command = create_command("download")
    options, _ = command.parse_args(["--no-input", "--disable-pip-version-check", "--no-binary", name, name])
    try:
        with command.main_context(), global_tempdir_manager():
            session = command.get_default_session(options)  # type: ignore[attr-defined]
            finder = command._build_package_finder(options, session)  # type: ignore[attr-defined]
            best = finder.find_best_candidate(name, SpecifierSet(f"=={version}")).best_candidate
            if best is None:
                return "the index has no source distribution of that version"
            answer = session.get(best.link.url_without_fragment, headers={"Accept-Encoding": "identity"})
            answer.raise_for_status()
            Path(file).write_bytes(answer.content)
    except (PipError, RequestException, OSError) as error:
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
