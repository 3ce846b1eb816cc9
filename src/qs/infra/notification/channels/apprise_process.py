"""One message through apprise, in a process of its own: `python -I -m` this, an order on stdin, one answer on stdout.

Apprise's plugins open their own connections, so what they may reach is seen to where every connection of Python passes by:
an audit hook, which nothing in the process can take away, refuses those to any other address. A process can also be ended
when its time is over, which a thread cannot.
"""

import json
import logging
import resource
import signal
import sys
from collections.abc import Iterable
from typing import Any

from qs.infra.http.addresses import Networks, is_public

UNFIT, REFUSED, FAILED, SENT = "unfit", "refused", "failed", "sent"
"""An address that is none; one in a network that is not allowed; not accepted; accepted."""

_MOST_MEMORY = 1 << 30
_STARTS_SOMETHING = (
    "subprocess.",
    "os.exec",
    "os.system",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "pty.spawn",
)
_REACHES_OUT = ("socket.connect", "socket.sendto", "socket.sendmsg")


class Border:
    """What the process may reach: nothing before it is opened. ``crossed`` says that something was refused."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._allowed = Networks(networks)
        self._public = False
        self._open = False
        self.crossed = False
        sys.addaudithook(self._watch)

    def open(self, *, public: bool) -> None:
        """Lets through to the allowed networks, and with ``public`` to every public address."""
        self._open, self._public = True, public

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_STARTS_SOMETHING) or (event in _REACHES_OUT and not self._holds(arguments[1])):
            self.crossed = True
            raise PermissionError("not allowed here")

    def _holds(self, address: Any) -> bool:
        # Of a Unix socket it is a path; of a datagram sent over a connection, None.
        if not self._open or not isinstance(address, tuple) or not isinstance(address[0], str):
            return False
        try:
            return self._allowed.hold(address[0]) or (self._public and is_public(address[0]))
        except ValueError:
            return False


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """What became of the order ``{networks, url, title, body}``, or the problems of ``{networks, look_at: [url]}``."""
    border = Border(order["networks"])
    if "look_at" in order:
        return {"problems": [_plugin(url)[1] for url in order["look_at"]]}
    plugin, problem = _plugin(order["url"])
    if problem is not None:
        return {"outcome": UNFIT, "why": problem}
    border.open(public=_encrypts(plugin, order["url"]))
    if _sent(plugin, order["title"], order["body"]):
        return {"outcome": SENT}
    if border.crossed:
        return {"outcome": REFUSED, "why": "the address is not allowed (outbound.allow_networks)"}
    return {"outcome": FAILED, "why": "not accepted"}


def _plugin(url: str) -> tuple[Any, str | None]:
    """What sends to that address, and why it must not."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(
        app_id="qs",
        app_desc="qs",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        async_mode=False,
        http_redirects=False,
    )
    plugin = Apprise.instantiate(url, asset=asset)
    if plugin is None:
        return None, "it is not an address of its kind"
    if not plugin.verify_certificate:
        return None, "it turns the check of certificates off"
    # Its own word for it would count otherwise.
    plugin.redirects = False
    return plugin, None


def _sent(plugin: Any, title: str, body: str) -> bool:
    from apprise import Apprise

    # Through this, plain text becomes what the other side shows as plain text.
    return bool(Apprise(plugin, asset=plugin.asset).notify(body=body, title=title, body_format="text"))


def _encrypts(plugin: Any, url: str) -> bool:
    secure = type(plugin).secure_protocol or ()
    schemas = (secure,) if isinstance(secure, str) else tuple(secure)
    # Of mail addresses alone: they may ask for a talk in clear.
    in_clear = getattr(plugin, "secure_mode", "") == "insecure"
    return url.partition("://")[0].lower() in schemas and not in_clear


def main() -> None:
    logging.disable(logging.CRITICAL)
    order = json.load(sys.stdin)
    # Should the one who asked be gone, so is this before long. A dump of memory would hold the address.
    signal.alarm(max(1, int(order["timeout_s"]) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    # Plugins write what they please to what is the answer's way.
    out, sys.stdout = sys.stdout, sys.stderr
    json.dump(answer(order), out)


if __name__ == "__main__":
    main()
