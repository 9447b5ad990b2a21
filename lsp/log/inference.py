"""What is taken to have happened with clients that report less, by rules that say so in the log.

A row that rests on one of these names it in its column `inferred`.

- "shown": the client has not reported one showing in this session. An answer is taken to have been on the screen if
  the text agreed with it for at least `STOOD_S` after it was sent: editors draw what they are sent at once, and what
  was typed over sooner nobody has seen. An acceptance or a rejection is of something that was shown, whoever reports.
- "accepted": the client has not reported one acceptance in this session. All that was left of a suggestion, two keys or
  more, came into the text at its place as one change. Typing it to its end, key by key, is none; nor are parts: what an
  editor takes in words looks like what a completion menu fills in.
- Rejections are not inferred: one that was dismissed by a key looks like one that was looked at and let go, and counts
  as `ignored` or `superseded`.

Knows no rows.
"""

from __future__ import annotations

from dataclasses import dataclass

STOOD_S = 0.1

# A suggestion that was on the screen for so long was read, in seconds; one that was there for less is superseded by
# whatever ends it.
READ_S = 0.75


@dataclass
class Client:
    """What this session's client has shown that it reports."""

    reports_shown: bool = False
    reports_accepted: bool = False

    def was_shown(self, stood_s: float) -> bool:
        """Whether a suggestion that agreed with the text for so long after its answer is taken as shown."""
        return not self.reports_shown and stood_s >= STOOD_S

    def was_accepted(self, at_once: bool) -> bool:
        """Whether a suggestion of which the rest came in `at_once` is taken as accepted."""
        return not self.reports_accepted and at_once
