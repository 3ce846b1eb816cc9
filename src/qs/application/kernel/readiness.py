"""What has to answer before this process should be sent work."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


class NotReady(Exception):
    """A probe found what it asks after not ready; the message says what an operator should do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to ask after. Without what is ``essential`` nothing works (503); without the rest some things wait.

    ``probe`` returns when all is well and raises when it is not: NotReady with words of its own, anything else as it
    comes. It is given a second.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    essential: bool = True
