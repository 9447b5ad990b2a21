"""Which experiments this session takes part in, and the options that it has for that.

Experiments are the user's own: files in `experiments/` beside the user's option file, never in a workspace. A unit that
is drawn gets its arm's options; the log is told when one of them is first read, since whoever never reads it was not
exposed. Options of `[model]` count as read at once: the model is loaded with them. Knows no protocol.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from foretype.lsp.experiments import Arm, Experiment, ExperimentError, Unit, arm_of, overridden, read, watched
from foretype.lsp.options import Options, user_file

FOLDER = "experiments"


@dataclass(frozen=True)
class Part:
    """`options` are those to go on with; `exposed` the experiments, to their arms, that count from the start."""

    options: Options
    exposed: Mapping[str, str]
    problems: tuple[str, ...] = ()


def folder() -> Path:
    """May not exist."""
    return user_file().parent / FOLDER


def take_part(
    options: Options,
    units: Mapping[Unit, str],
    on_exposure: Callable[[str, str], None],
    files: Path | None = None,
    today: datetime.date | None = None,
) -> Part:
    """The options of the arms that the units are in. `on_exposure` is called with an experiment and an arm, from
    whatever thread reads the option."""
    drawn: list[tuple[Experiment, Arm]] = []
    problems = []
    today = today or datetime.date.today()
    for path in sorted((files or folder()).glob("*.toml")):
        try:
            experiment = read(path)
        except ExperimentError as error:
            problems.append(f"{error}; this experiment does not run")
            continue
        if _runs(experiment, today) and (arm := arm_of(experiment, units.get(experiment.unit, ""))):
            drawn.append((experiment, arm))
    exposed = {}
    result = overridden(options, [arm for _, arm in drawn])
    for experiment, arm in drawn:
        names = {name for one in experiment.arms for name in one.options}
        if not names or any(name.startswith("model.") for name in names):
            exposed[experiment.name] = arm.name
        else:
            result = watched(result, names, _once(on_exposure, experiment.name, arm.name))
    return Part(result, exposed, tuple(problems))


def _runs(experiment: Experiment, today: datetime.date) -> bool:
    if experiment.start is None:
        return True
    days = (today - experiment.start).days
    return days >= 0 and (not experiment.stop_days or days < experiment.stop_days)


def _once(tell: Callable[[str, str], None], name: str, arm: str) -> Callable[[str], None]:
    told: list[bool] = []

    def on_read(_: str) -> None:
        if not told:
            told.append(True)
            tell(name, arm)

    return on_read
