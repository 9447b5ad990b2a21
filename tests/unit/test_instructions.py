"""Names of vector instructions, from what systems say of their processors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from foretype.lsp import instructions


def test_intel_under_linux() -> None:
    said = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    assert instructions.of_linux(said) == {"fpu", "avx2", "avx512_vnni"}


def test_arm_under_linux() -> None:
    assert instructions.of_linux("processor\t: 0\nFeatures\t: fp asimd asimddp\n") == {"fp", "asimd", "asimddp"}


def test_a_processor_that_tells_nothing() -> None:
    assert instructions.of_linux("processor\t: 0\n") == frozenset()


@pytest.mark.parametrize(
    ("leaf7", "dot_product", "has"),
    [("RDWRFSGSBASE AVX2 BMI2\n", "", {"rdwrfsgsbase", "avx2", "bmi2"}), ("", "1\n", {"asimddp"}), ("", "", set())],
)
def test_macos(leaf7: str, dot_product: str, has: set[str]) -> None:
    assert instructions.of_macos(leaf7, dot_product) == has


def test_a_system_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> str:
        raise PermissionError

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "read_text", refuse)
    assert instructions.known() == frozenset()
