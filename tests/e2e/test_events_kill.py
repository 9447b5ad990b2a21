"""A server's writer that is killed in the middle of writing: the log opens, and only the last moment is missing."""

from __future__ import annotations

import os
from pathlib import Path

from killing import Property

from foretype.eval.log.speed import kills

# The full count is that of `foretype eval events`.
COUNT = int(os.environ.get("FORETYPE_KILLS", "3"))


def test_a_kill_loses_the_last_moment_alone(tmp_path: Path, record_property: Property) -> None:
    found = kills(tmp_path, COUNT, seed=1)
    record_property("row", "killed: writer of the event log")
    record_property("tried", found["kills"])
    assert found["kill_damaged"] == 0
    assert found["kill_rows"] > 100 * COUNT
    # a second, and what a machine that runs other tests meanwhile takes on top
    assert found["kill_lost_s_max"] < 3.0
