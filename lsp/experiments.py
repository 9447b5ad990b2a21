"""Experiments: which options a unit gets, by a file that anyone can read, and without anybody drawing lots.

An experiment file is TOML:

    key = "context-budget"
    phase = "2026-11"              # of the same experiment; another one draws anew
    unit = "session"               # installation, session, day or workspace
    start = 2026-11-23
    coverage = 1.0                 # share of the units that take part
    layer = { name = "prompt", from = 0.0, to = 0.5 }   # experiments in disjoint parts of a layer exclude each other

    [[arms]]
    name = "control"
    weight = 0.5

    [[arms]]
    name = "wide"
    weight = 0.5
    options = { "context.tokens" = 256 }

    [stop]
    opportunities = 40000          # of all arms together
    days = 28

A unit's arm follows from its name alone: buckets are those of GrowthBook's hash version 2 (its SDKs' documentation,
"Hashing"; FNV-1a of 32 bits, twice), the ranges of arms and coverage its `getBucketRanges`, and a layer is one of its
`filters`. So its SDKs give every unit the same arm. Knows no protocol, no log and no clock.
"""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from foretype.lsp.options import LARGEST_FILE, Options, merge

Unit = Literal["installation", "session", "day", "workspace"]
UNITS: tuple[Unit, ...] = get_args(Unit)
# What must not get worse, as the analysis computes it.
GUARDRAILS = ("late_rate", "retained_300s", "model_ms_per_opportunity")

_BUCKETS = 10_000
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FIELDS = {"key", "phase", "unit", "start", "coverage", "layer", "arms", "stop", "guardrails"}


class ExperimentError(ValueError):
    """An experiment cannot be run. The message is one line that says what to correct."""


@dataclass(frozen=True)
class Arm:
    """`options` are full names to values, such as "context.tokens"."""

    name: str
    weight: float
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """The part `start` to `stop` of a layer, in 0..1."""

    name: str
    start: float
    stop: float


@dataclass(frozen=True)
class Experiment:
    """`stop_opportunities` and `stop_days` are 0 where there is no such rule."""

    key: str
    phase: str
    unit: Unit
    arms: tuple[Arm, ...]
    coverage: float = 1.0
    layer: Layer | None = None
    start: datetime.date | None = None
    stop_opportunities: int = 0
    stop_days: int = 0
    guardrails: tuple[str, ...] = GUARDRAILS

    @property
    def name(self) -> str:
        """What the event log calls it: another phase is another experiment."""
        return f"{self.key}@{self.phase}"

    @property
    def seed(self) -> str:
        return self.name

    @property
    def control(self) -> Arm:
        return self.arms[0]


def bucket(seed: str, value: str) -> float:
    """A number in 0..1, a multiple of 1/10000, for a value; the same everywhere and always."""
    return _fnv1a(str(_fnv1a(seed + value))) % _BUCKETS / _BUCKETS


def arm_of(experiment: Experiment, value: str) -> Arm | None:
    """The arm of a unit, None where it does not take part. An empty value, a unit that is not known, does not."""
    if not value:
        return None
    layer = experiment.layer
    if layer and not layer.start <= bucket(f"layer:{layer.name}", value) < layer.stop:
        return None
    drawn, start = bucket(experiment.seed, value), 0.0
    for arm in experiment.arms:
        if start <= drawn < start + experiment.coverage * arm.weight:
            return arm
        start += arm.weight
    return None


def read(path: Path) -> Experiment:
    """The experiment of a file. Raises `ExperimentError`."""
    try:
        data = path.read_bytes()
        if len(data) > LARGEST_FILE:
            raise ExperimentError(f"{path}: larger than {LARGEST_FILE} bytes")
        table = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise ExperimentError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ExperimentError):
            raise
        raise ExperimentError(f"{path}: is not TOML: {error}") from error
    try:
        return parse(table)
    except ExperimentError as error:
        raise ExperimentError(f"{path}: {error}") from error


def parse(table: Mapping[str, Any]) -> Experiment:
    """The experiment that a table describes. Raises `ExperimentError`."""
    if unknown := sorted(table.keys() - _FIELDS):
        raise ExperimentError(f"{_name(unknown[0])}: there is no such setting; there are {', '.join(sorted(_FIELDS))}")
    key = _text(table, "key")
    if not _KEY.fullmatch(key):
        raise ExperimentError(f"key: {key!r} should be lower-case letters, digits, dots and dashes")
    unit = table.get("unit", "session")
    if unit not in UNITS:
        raise ExperimentError(f"unit: {_shown(unit)} is none of {', '.join(UNITS)}")
    start = table.get("start")
    if isinstance(start, datetime.datetime):
        start = start.date()
    if start is not None and not isinstance(start, datetime.date):
        raise ExperimentError(f"start: {_shown(start)} is no date such as 2026-11-23")
    stop = table.get("stop", {})
    if not isinstance(stop, Mapping) or stop.keys() - {"opportunities", "days"}:
        raise ExperimentError("stop: expected opportunities, days, or both")
    guardrails = table.get("guardrails", list(GUARDRAILS))
    if not isinstance(guardrails, list):
        raise ExperimentError(f"guardrails: expected a list of {', '.join(GUARDRAILS)}")
    if unknown_rails := [name for name in guardrails if name not in GUARDRAILS]:
        raise ExperimentError(f"guardrails: {_shown(unknown_rails[0])} is none of {', '.join(GUARDRAILS)}")
    coverage = _share(table.get("coverage", 1.0), "coverage")
    layer = _layer(table["layer"]) if "layer" in table else None
    opportunities, days = (_count(stop.get(name, 0), f"stop.{name}") for name in ("opportunities", "days"))
    arms, phase = _arms(table.get("arms")), _phase(table.get("phase", "1"))
    return Experiment(key, phase, unit, arms, coverage, layer, start, opportunities, days, tuple(guardrails))


def overridden(options: Options, arms: Iterable[Arm]) -> Options:
    """The options with those of the arms; later arms win."""
    for arm in arms:
        options = merge(options, _nested(arm.options), arm.name).options
    return options


_Section = TypeVar("_Section")


def watched(options: _Section, names: Iterable[str], on_read: Callable[[str], None]) -> _Section:
    """Options that say when one of `names` (such as "context.tokens") is read for the first time: only then has whoever
    reads it been exposed to an experiment on it."""
    return cast(_Section, _Watched(options, "", set(names), on_read))


class _Watched:
    """Stands in for options, or for a section of them."""

    __slots__ = ("_names", "_on_read", "_options", "_prefix")

    def __init__(self, options: Any, prefix: str, names: set[str], on_read: Callable[[str], None]) -> None:
        self._options, self._prefix = options, prefix
        self._names, self._on_read = names, on_read

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._options, name)
        full = f"{self._prefix}{name}"
        if is_dataclass(value) or isinstance(value, _Watched):
            within = any(one.startswith(f"{full}.") for one in self._names)
            return _Watched(value, f"{full}.", self._names, self._on_read) if within else value
        if full in self._names:
            self._names.discard(full)
            self._on_read(full)
        return value


def _arms(value: Any) -> tuple[Arm, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise ExperimentError(
            "arms: expected two or more [[arms]], the first of them what the others are compared with"
        )
    arms = tuple(_arm(item, number) for number, item in enumerate(value, 1))
    names = [arm.name for arm in arms]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise ExperimentError(f"arms: two are called {doubled[0]!r}")
    total = sum(arm.weight for arm in arms)
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise ExperimentError(f"arms: their weights add up to {total:g}, not to 1")
    return arms


def _arm(value: Any, number: int) -> Arm:
    if not isinstance(value, Mapping) or value.keys() - {"name", "weight", "options"}:
        raise ExperimentError(f"arms: number {number} should have a name, a weight and options, and nothing else")
    name = _text(value, "name", f"arms: number {number}: ")
    weight = _share(value.get("weight"), f"arms: {name}: weight")
    options = value.get("options", {})
    if not isinstance(options, Mapping):
        raise ExperimentError(f'arms: {name}: options: expected a table such as {{ "context.tokens" = 256 }}')
    flat = _flat(options)
    if problems := merge(Options(), _nested(flat), f"arms: {name}: options").problems:
        raise ExperimentError(problems[0])
    return Arm(name, weight, flat)


def _layer(value: Any) -> Layer:
    if not isinstance(value, Mapping) or value.keys() != {"name", "from", "to"}:
        raise ExperimentError('layer: expected { name = "...", from = 0.0, to = 0.5 }')
    start, stop = _share(value["from"], "layer.from"), _share(value["to"], "layer.to")
    if start >= stop:
        raise ExperimentError("layer: from must be below to")
    return Layer(_text(value, "name", "layer."), start, stop)


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Sections as tables, or names with a dot, as names with a dot."""
    found: dict[str, Any] = {}
    sections = {section.name for section in fields(Options)}
    for name, value in table.items():
        if name in sections and isinstance(value, Mapping):
            found |= {f"{name}.{inner}": given for inner, given in value.items()}
        else:
            found[name] = value
    return found


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        section, _, inner = name.partition(".")
        if inner:
            table = found.setdefault(section, {})
            if isinstance(table, dict):  # else it is no section, which `merge` says
                table[inner] = value
        else:
            found[section] = value
    return found


def _text(table: Mapping[str, Any], name: str, where: str = "") -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ExperimentError(f"{where}{name}: expected a name")
    return value


def _phase(value: Any) -> str:
    """Texts, numbers and dates will do."""
    if isinstance(value, Mapping | list) or (isinstance(value, str) and not value.isprintable()):
        raise ExperimentError('phase: expected a name such as "2026-11"')
    return value if isinstance(value, str) else _shown(value)


def _share(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ExperimentError(f"{name}: {_shown(value)} is not between 0 and 1")
    return float(value)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ExperimentError(f"{name}: {_shown(value)} is no whole number from 0 on")
    return value


def _shown(value: Any) -> str:
    """A value as it could be written, on one line and in short."""
    if isinstance(value, int) and abs(value) >= 10**15:
        return "a huge number"  # str() refuses more than 4300 digits
    if isinstance(value, Mapping | list):
        return "a table" if isinstance(value, Mapping) else "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _name(text: str) -> str:
    return text if text.isprintable() else _shown(text)


def _fnv1a(text: str) -> int:
    """FNV-1a of 32 bits over UTF-8 (draft-eastlake-fnv)."""
    found = 0x811C9DC5
    for byte in text.encode("utf-8", "surrogatepass"):
        found = ((found ^ byte) * 0x01000193) & 0xFFFFFFFF
    return found
