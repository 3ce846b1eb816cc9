"""Whether a secret can be guessed: what nobody replaced, what everybody knows, what repeats itself or counts on."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from urllib.parse import unquote, urlsplit

KEY_BITS, PASSWORD_BITS = 90.0, 30.0
"""Less than any random key of 32 characters has, hexadecimal ones included; less than any password of 12 that varies."""

_FEWEST_CHARACTERS, _SHORTEST_WORD = 8, 4
_MOST_STEPS = 0.6
_PLACEHOLDER = re.compile(r"<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%\w*%|\[.*\]", re.DOTALL)
_KNOWN = re.compile(
    r"change.?me|replace.?me|secret|password|passwd|passw0rd|default|example|sample|insecure|test|admin|letmein|qwerty"
    r"|please|super|your|this|development|production|only|for|key|not|todo|fixme|placeholder|dummy|welcome|postgres|client"
    r"|abcdef|0123456789|1234567890|12345678|123456",
    re.IGNORECASE,
)
_KNOWN_PASSWORDS = frozenset(
    {
        "postgres",
        "postgresql",
        "password",
        "passwd",
        "admin",
        "root",
        "secret",
        "changeme",
        "change-me",
        "redis",
        "valkey",
    }
    | {"default", "example", "test", "qs", "1234", "12345", "123456", "12345678", "qwerty", "letmein"}
)


def is_guessable(secret: str, bits: float, own: Iterable[str] = ()) -> bool:
    """Whether it has less than ``bits`` of entropy by its looks, apart from well-known words and those of its ``own``.

    What is left without the words of samples must still be varied, so that a random key that happens to hold one of
    them is not refused.
    """
    left = _KNOWN.sub("", secret)
    for word in own:
        if len(word) >= _SHORTEST_WORD:
            left = re.sub(re.escape(word), "", left, flags=re.IGNORECASE)
    return (
        len(set(left)) < _FEWEST_CHARACTERS
        or _PLACEHOLDER.fullmatch(secret.strip()) is not None
        or _repeats(secret)
        or _counts_on(secret)
        or _entropy(secret) < bits
    )


def has_known_password(address: str) -> bool:
    """Whether the password in an address is one that everybody knows: a sample, or the name beside it."""
    try:
        parts = urlsplit(address)
        password = unquote(parts.password or "").lower()
    except ValueError:
        # That it is no address is said elsewhere.
        return False
    names = {
        unquote(parts.username or "").lower(),
        parts.path.strip("/").lower(),
        (parts.hostname or "").lower(),
    }
    return bool(password) and (password in _KNOWN_PASSWORDS or password in names)


def _repeats(text: str) -> bool:
    """Whether it is one piece twice or more, the last time perhaps cut short."""
    half = len(text) // 2
    return any(text.startswith(text[size:]) for size in range(1, half + 1))


def _counts_on(text: str) -> bool:
    steps = [abs(ord(one) - ord(next_one)) <= 1 for one, next_one in pairwise(text)]
    return sum(steps) > _MOST_STEPS * len(steps)


def _entropy(text: str) -> float:
    """Shannon's, of the characters as often as they stand there, in bits."""
    return sum(count * math.log2(len(text) / count) for count in Counter(text).values())
