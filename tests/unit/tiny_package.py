"""A package of two modules that use each other, as files and as a wheel."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from foretype.eval.packages import Package

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


def write_wheel(folder: Path, name: str = "demo") -> Package:
    """The package, with its wheel in `folder`."""
    package = Package(name, "1.0", "", "dev")
    path = folder / package.file
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in FILES.items():
            archive.writestr(file, text)
    return Package(name, "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), "dev")
