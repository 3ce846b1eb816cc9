"""Some channels let a person be written to only as often as they agreed to it, for each kind of message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """How often a person agreed to a message of the channel's ``template``, and how often that was used.

    ``recipient`` is ``testee:…`` or ``guardian:…:n``. ``template`` is the provider's id of it.
    """

    recipient: str
    channel: str
    template: str
    given: int
    used: int

    @property
    def left(self) -> int:
        return self.given - self.used
