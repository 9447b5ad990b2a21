"""The software bill of materials, in CycloneDX: the server's packages with their licences, the model; the extension's.

    python tools/sbom.py [--out dist]        writes foretype.cdx.json and foretype-vscode.cdx.json

What the packages say of themselves is read from this environment by cyclonedx-py, and kept are those that
requirements/serve.txt has for this platform; the extension's come from `npm sbom`. The same sources and packages give
the same bytes: there is no serial number and no time of writing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import locks
from packaging.utils import canonicalize_name

from foretype.model.catalogue import Entry, StoreError, catalogue

ROOT = Path(__file__).parent.parent


class BillError(Exception):
    """The bill cannot be written. One line."""


def of_server(entry: Entry, lock: str = "serve", wheels: Path | None = None) -> dict[str, Any]:
    """The bill of what a server with that model consists of; with a folder of wheels also their SHA-256.

    Raises `BillError`, also if this environment lacks a locked package.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable, "--output-reproducible"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--short-PURLs", "--output-format", "JSON"]
    bill = _said(command)
    hashes = _hashes(wheels) if wheels else {}
    found = narrowed(bill, {pin.name: pin.version for pin in _pins(lock)}, hashes, entry)
    for part in found["components"]:
        if not part.get("licenses"):  # cyclonedx-py passes over what is no identifier of SPDX's
            said = metadata.metadata(part["name"])["License"] or "unknown"
            part["licenses"] = [{"license": {"name": said}}]
    return found


def narrowed(bill: dict[str, Any], pins: Mapping[str, str], hashes: Mapping[str, str], entry: Entry) -> dict[str, Any]:
    """A bill of a whole environment, with the pinned packages alone, and the model. Raises `BillError`."""
    named: dict[str, Any] = {canonicalize_name(part["name"]): part for part in bill["components"]}
    if missing := [name for name, version in pins.items() if named.get(name, {}).get("version") != version]:
        raise BillError(f"{missing[0]} is not installed here as it is locked; make clean, then try again")
    parts = [named[name] for name in sorted(pins)]
    for part in parts:
        if digest := hashes.get(canonicalize_name(part["name"])):
            part["hashes"] = [{"alg": "SHA-256", "content": digest}]
    kept = {part["bom-ref"] for part in parts} | {bill["metadata"]["component"]["bom-ref"]}
    rows = [row for row in bill["dependencies"] if row["ref"] in kept]
    for row in rows:
        row["dependsOn"] = [ref for ref in row.get("dependsOn", ()) if ref in kept]
    return {**bill, "components": [*parts, _model(entry)], "dependencies": rows}


def of_extension(folder: Path = ROOT / "editors" / "vscode") -> dict[str, Any]:
    """The bill of the VS Code extension, from its package-lock.json: what is bundled into it. Raises `BillError`."""
    npm = shutil.which("npm")
    if npm is None:
        raise BillError("npm is not there, which knows what the extension consists of; install Node")
    # Node's own folder of packages need not be there: the lock says all
    bill = _said([npm, "sbom", "--sbom-format", "cyclonedx", "--package-lock-only", "--omit", "dev"], folder)
    bill.pop("serialNumber", None)
    bill["metadata"].pop("timestamp", None)
    bill["metadata"].pop("tools", None)
    bill["metadata"]["component"]["name"] = "foretype"  # npm takes the folder's
    return bill


def text(bill: Mapping[str, Any]) -> str:
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def _model(entry: Entry) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{entry.name}",
        "name": entry.name,
        "version": entry.sha256[:12],
        "hashes": [{"alg": "SHA-256", "content": entry.sha256}],
        "licenses": [{"license": {"id": entry.licence}}],
        "properties": [{"name": "foretype:file", "value": entry.file}],
    }


def _pins(lock: str) -> list[locks.Pin]:
    return [pin for pin in locks.read(locks.FOLDER / f"{lock}.txt") if pin.applies]


def _hashes(wheels: Path) -> dict[str, str]:
    """The SHA-256 of each wheel in a folder, by the package's name."""
    return {
        canonicalize_name(wheel.name.partition("-")[0]): hashlib.sha256(wheel.read_bytes()).hexdigest()
        for wheel in wheels.glob("*.whl")
    }


def _said(command: list[str], folder: Path = ROOT) -> dict[str, Any]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise BillError(
            f"{Path(command[0]).name} failed: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}"
        )
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: %(default)s")
    out = parser.parse_args().out
    try:
        default = next(entry for entry in catalogue().values() if entry.default)
        bills = {"foretype.cdx.json": of_server(default), "foretype-vscode.cdx.json": of_extension()}
    except (BillError, StoreError, locks.LockError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    out.mkdir(parents=True, exist_ok=True)
    for name, bill in bills.items():
        (out / name).write_text(text(bill), "utf-8")
        sys.stdout.write(f"{out / name}: {len(bill['components'])} components\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
