"""How often a failed request is made again, and how long is waited before."""

from __future__ import annotations

import time
from collections.abc import Iterator

ATTEMPTS = 5
"""Requests for one read, the first one among them."""

WAIT = 0.5
"""Seconds before the second request; each further wait is twice as long."""

LONGEST_WAIT = 30.0
"""Seconds; also the most that a server's `Retry-After` is followed."""


class Attempts:
    """Iterates over the numbers of the attempts, waiting between them.

    `asked` is what the other side asked to wait, in seconds; set it before the next attempt.
    """

    def __init__(self, most: int) -> None:
        self.most, self.asked = most, 0.0

    def __iter__(self) -> Iterator[int]:
        for attempt in range(self.most):
            if attempt:
                time.sleep(min(LONGEST_WAIT, max(self.asked, WAIT * 2 ** (attempt - 1))))
            self.asked = 0.0
            yield attempt
