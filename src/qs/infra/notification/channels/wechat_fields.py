"""The values of a subscribe message's fields, within the limits of the kind that each key begins with.

Source: developers.weixin.qq.com, subscribeMessage.send, "订阅消息参数值内容限制说明". A value over a limit is refused with
47003, and the message with it.
"""

import re
from collections.abc import Callable
from datetime import datetime

KEY = re.compile(r"([a-z_]+?)\d{1,3}", re.ASCII)

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")


class ValueUnfit(ValueError):
    """A value cannot be written in the field; the text says what the field takes and never the value."""


def fit(key: str, value: str) -> str:
    """The value as the field of that key takes it, cut where cutting leaves it readable.

    Raises:
        ValueUnfit: the key is of no known kind, or the value is empty or of another kind.
    """
    named = KEY.fullmatch(key)
    kind = named[1] if named else ""
    if kind not in _FITTING:
        raise ValueUnfit(f"is no field; expected one of {', '.join(_FITTING)} with a number, such as thing1")
    clean = _BLANKS.sub(" ", value).strip()
    if not clean:
        raise ValueUnfit("has no value here")
    return _FITTING[kind](clean)


def shown_time(instant: datetime) -> str:
    """An instant, in its own zone, as the kinds ``time`` and ``date`` take it."""
    return f"{instant.year}年{instant.month}月{instant.day}日 {instant:%H:%M}"


def _cut(most: int) -> Callable[[str], str]:
    return lambda value: value if len(value) <= most else value[: most - 1] + "…"


def _matching(pattern: str, what: str) -> Callable[[str], str]:
    shape = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not shape.fullmatch(value):
            raise ValueUnfit(f"takes {what}")
        return value

    return check


def _name(value: str) -> str:
    if any(character.isdigit() for character in value):
        raise ValueUnfit("takes a name without digits")
    # With one Chinese character in it, a name counts as a Chinese one.
    return value[:10] if re.search(f"[{_HAN}]", value) else value[:20].rstrip()


def _phrase(value: str) -> str:
    if not re.fullmatch(f"[{_HAN}]+", value):
        raise ValueUnfit("takes Chinese characters only")
    return value[:5]


_DAY = r"\d{4}年\d{1,2}月\d{1,2}日"
_CLOCK = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
_TIME = rf"({_DAY}( {_CLOCK})?|{_CLOCK})"

_FITTING: dict[str, Callable[[str], str]] = {
    "thing": _cut(20),
    "number": _matching(r"(?=.{1,32}$)\d+(\.\d+)?", "a number of up to 32 digits"),
    "letter": _matching(r"[A-Za-z]{1,32}", "up to 32 letters"),
    "symbol": _matching(r"[!-/:-@\[-`{-~]{1,5}", "up to 5 symbols"),
    "character_string": _matching(r"[ -~]{1,32}", "up to 32 letters, digits and symbols"),
    "time": _matching(rf"{_TIME}(~{_TIME})?", "a time such as 2019年10月1日 15:01"),
    "date": _matching(rf"{_DAY}( {_CLOCK})?(~{_DAY}( {_CLOCK})?)?", "a date such as 2019年10月1日"),
    "amount": _matching(r"[^\w\s.]?\d{1,10}(\.\d{1,10})?元?", "an amount of up to 10 digits such as ¥99.5"),
    "phone_number": _matching(r"[0-9+() -]{1,17}", "a phone number of up to 17 digits and symbols"),
    "car_number": _matching(
        rf"[A-Z0-9{_HAN}][A-Z0-9]{{1,6}}[A-Z0-9{_HAN}]", "a number plate of up to 8 characters"
    ),
    "name": _name,
    "phrase": _phrase,
}
