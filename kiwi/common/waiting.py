"""Wait for something that does not announce itself: look, pause, look again, until a deadline.

For what does announce itself (a socket, a child) wait on that instead.
"""

from __future__ import annotations

import math
import time
from typing import Any, Callable, Optional, TypeVar

T = TypeVar("T")
Late = Optional[Callable[[Any], Exception]]


def until(
    look: Callable[[], T],
    seconds: float,
    *,
    done: Callable[[T], object] = bool,
    pause: float = 0.1,
    growth: float = 1.0,
    longest: float = math.inf,
    late: Late = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return what `look` returns, once it is `done` (true, if not given); after `seconds`, what it returned last.

    Look at once and at least once, and once more at the deadline. Between two
    looks pause for `pause` seconds, each time `growth` times as long, `longest`
    at most. `seconds` may be math.inf. Raise what `late` makes of the last value
    if it is given and the deadline has passed; what `look` raises ends the wait.
    `clock` is in seconds and never goes back.
    """
    deadline = clock() + seconds
    while not done(found := look()):
        left = deadline - clock()
        if left <= 0:
            if late:
                raise late(found)
            return found
        sleep(min(pause, left))
        pause = min(pause * growth, longest)
    return found
