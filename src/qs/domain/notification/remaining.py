"""How long a link still works, in words."""

from datetime import timedelta

_UNITS = (
    (timedelta(days=1), {"en": "days", "zh": "天"}),
    (timedelta(hours=1), {"en": "hours", "zh": "小时"}),
    (timedelta(minutes=1), {"en": "minutes", "zh": "分钟"}),
)
_LAST = {"en": "1 minute", "zh": "1 分钟"}
# A link of seven days is one of seven days still when its message goes out.
_ON_THE_WAY = timedelta(minutes=10)


def remaining_text(left: timedelta, locale: str) -> str:
    """``2 days``, ``36 hours``, ``5 分钟``: in the largest unit there are at least two of; under two minutes it is one.

    Rounded down, since nobody minds a link that works a little longer, but for what a message may take on its way
    where hours are counted.
    """
    if left >= timedelta(hours=2):
        left += _ON_THE_WAY
    for size, names in _UNITS:
        if left >= 2 * size:
            return f"{left // size} {names[locale]}"
    return _LAST[locale]
