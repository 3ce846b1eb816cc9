"""How a rate is spread over time, so that what waited does not all go out at once."""

import math


def spread(calls: int, period_ms: int, *, shortest_ms: int = 1000) -> tuple[int, int]:
    """The same rate, or a little less, over a period as short as can be: 600 a minute are 10 a second.

    Returns the calls and the period in ms, which is no less than ``shortest_ms``.
    """
    few = max(1, math.ceil(calls * shortest_ms / period_ms))
    return few, max(shortest_ms, math.ceil(few * period_ms / calls))
