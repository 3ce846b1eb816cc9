"""Why the embedded servers cannot be had; every class is one cause with its own stable code."""

from qs.domain.kernel.errors import Unavailable


class EmbeddedUnavailable(Unavailable):
    """The embedded servers cannot be had; the sentence says why and what to do instead."""

    code = "embedded.unavailable"
    sentence = (
        "the embedded servers cannot be had here; set QS_DATABASE_URL and QS_REDIS_URL to servers of your own"
    )


class BinariesNotFound(EmbeddedUnavailable):
    """No program to run as PostgreSQL or Redis was found, or the one that was named does not run."""

    code = "embedded.binaries_not_found"


class DirectoryRefused(EmbeddedUnavailable):
    """A directory belongs to somebody else, holds something else, or cannot be used for servers."""

    code = "embedded.directory_refused"


class ServersNotStarted(EmbeddedUnavailable):
    """A server or its preparation ended with an error; the sentence carries the last line it wrote."""

    code = "embedded.servers_not_started"


class NotInTime(EmbeddedUnavailable):
    """The servers did not become ready, or did not stop, within the time the caller gave."""

    code = "embedded.not_in_time"


_CAUSES = (BinariesNotFound, DirectoryRefused, ServersNotStarted, NotInTime)


def as_raised(code: str, sentence: str) -> EmbeddedUnavailable:
    """The error a keeper recorded in its state, as the class a client catches."""
    cause = next((each for each in _CAUSES if each.code == code), EmbeddedUnavailable)
    return cause(sentence)
