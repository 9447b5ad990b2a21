"""A package of two modules that use each other, as files and as a source distribution."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

from foretype.eval.projects.packages import Package

SHAPES = '''\
"""Shapes."""

DEFAULT_FACTOR = 2


class Circle:
    def __init__(self, radius):
        self.radius = radius

    def sector_area(self, angle):
        return angle * self.radius


def scale(shape, factor, *, origin=None):
    return Circle(shape.radius * factor)
'''

DRAW = """\
import os

from . import shapes
from .shapes import Circle, scale


def draw(canvas, name, größe="ä"):
    circle = Circle(größe)
    path = os.path.join(name, größe)
    area = canvas.sector_area(path)
    canvas.put(größe, scale(circle, 3, origin=canvas))
    factor = shapes.DEFAULT_FACTOR
    wide = Circle(  # a comment
        factor,
    )
    return area, wide


def typed(circle: Circle = scale(1, 2)) -> Circle:
    thing: Circle = circle
    return thing
"""

FILES = {
    "demo/__init__.py": "from .draw import draw\n",
    "demo/shapes.py": SHAPES,
    "demo/draw.py": DRAW,
    "demo/tests/test_draw.py": "from demo.draw import draw\n\n\ndef test_draw():\n    assert draw(1, 2)\n",
    "demo/broken.py": "from .shapes import (\n",
    "demo/data.txt": "no code",
}


def write_files(root: Path) -> Path:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def write_sdist(folder: Path, name: str = "demo") -> Package:
    """The package, with its source distribution in `folder`."""
    package = Package(name, "1.0", "", "dev", "demo", ("demo/tests",))
    path = folder / package.file
    with tarfile.open(path, "w:gz") as archive:
        for file, text in {**FILES, "PKG-INFO": f"Name: {name}\nVersion: 1.0\n"}.items():
            data = text.encode()
            member = tarfile.TarInfo(f"{name}-1.0/{file}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return replace(package, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
