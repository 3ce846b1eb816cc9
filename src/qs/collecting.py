"""How often Python looks for cycles of garbage, in every process of qs."""

import gc


def collect_seldom() -> None:
    """Raises the thresholds of the collector for this process.

    A batch of the sweep makes tens of thousands of objects that die with it, and starting makes as many that stay. At
    Python's own thresholds looking for cycles among them took two fifths of a sweep and a seventh of a start.
    """
    gc.set_threshold(50_000, 20, 20)
