"""Which addresses outgoing calls may reach."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Written out rather than asked of `is_global`, whose answers differ between releases of Python. From the IANA
# special-purpose registries, with the metadata addresses of clouds that are public by number.
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
        # IPv6 has one public range; of it, tunnels and translations lead to IPv4 addresses unseen.
        "::/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "4000::/2",
        "8000::/1",
    )
)


class Networks:
    """The networks an operator allows although they are not public, such as ``10.1.0.0/16``."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ip_network(network, strict=False) for network in networks)

    def hold(self, address: str) -> bool:
        return any(_plain(address) in network for network in self._networks)


def is_public(address: str) -> bool:
    """Whether the address is one anybody on the Internet could be meant by; mapped IPv4 is none."""
    number = _parse(address)
    return not any(number in network for network in _NOT_PUBLIC)


def _parse(address: str) -> IPv4Address | IPv6Address:
    # A scope such as fe80::1%eth0 names one of our own links.
    return ip_address(address.partition("%")[0])


def _plain(address: str) -> IPv4Address | IPv6Address:
    number = _parse(address)
    return getattr(number, "ipv4_mapped", None) or number
