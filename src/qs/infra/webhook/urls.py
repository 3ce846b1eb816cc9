"""Whether a URL is one that qs would call, when it is written down. Whether it may is seen again at each call."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from qs.domain.webhook.errors import WebhookUrlRefused
from qs.infra.http.addresses import Networks, is_public
from qs.infra.http.guarded import CallFailed, check_url

_RESOLVED_WITHIN_S = 2.0


class GuardedUrls:
    """Implements UrlCheck: HTTPS to public addresses and to allowed networks, HTTP to allowed networks only.

    A name that nobody resolves at this moment is taken for HTTPS: it may come to be, and is looked up at each call.
    """

    def __init__(self, allow_networks: Iterable[str]) -> None:
        self._allowed = Networks(allow_networks)

    async def check(self, url: str) -> None:
        try:
            target = check_url(url)
        except CallFailed as failure:
            raise WebhookUrlRefused(failure.reason) from failure
        if target.fragment:
            raise WebhookUrlRefused("the URL has a fragment, which is never sent")
        secure = target.scheme == "https"
        addresses = await _addresses(target.raw_host.decode("ascii"))
        if not addresses and not secure:
            raise WebhookUrlRefused(
                "an http URL must lead to an allowed network, and its name was not resolved"
            )
        for address in addresses:
            if not (self._allowed.hold(address) or (secure and is_public(address))):
                raise WebhookUrlRefused(
                    "the address is not allowed: it must be https and public, or lie in outbound.allow_networks"
                )


async def _addresses(host: str) -> Sequence[str]:
    """Those the host has; none where nobody says in time."""
    try:
        return [str(ip_address(host.strip("[]").partition("%")[0]))]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(_RESOLVED_WITHIN_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return [str(sockaddr[0]) for *_, sockaddr in found]
