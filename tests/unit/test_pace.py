"""What a machine can read in time."""

from __future__ import annotations

import pytest

from foretype.model.pace import Pace


def test_what_is_read_before_the_deadline_leaves_time_for_the_answer() -> None:
    pace = Pace(prompt_tokens_per_s=400, token_ms=25)
    assert pace.affordable(700) == 200  # 500 ms at 0.4 tokens each
    assert pace.affordable(10) == 128


def test_without_a_measurement_nothing_is_cut_until_a_request_shows() -> None:
    pace = Pace()
    assert pace.affordable(700) is None
    pace.read(10, 100)  # too few to tell
    assert pace.affordable(700) is None
    pace.read(100, 200)
    assert pace.prompt_tokens_per_s == 500
    assert pace.affordable(700) == 350


def test_requests_correct_a_wrong_beginning() -> None:
    pace = Pace(prompt_tokens_per_s=50, token_ms=200)
    for _ in range(20):
        pace.read(200, 500)
        pace.wrote(10, 250)
    assert pace.prompt_tokens_per_s == pytest.approx(400, rel=0.01)
    assert pace.token_ms == pytest.approx(25, rel=0.03)
