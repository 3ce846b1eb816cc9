"""Who is really calling, when a proxy we were told of stands in between."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Header = tuple[bytes, bytes]


class TrustedProxies:
    """Believes ``X-Forwarded-For`` and ``X-Forwarded-Proto`` from these networks, and from nobody else."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(each) for each in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, headers: Iterable[Header]) -> str:
        """The nearest address that is no proxy of ours, read from the right: what is left of it anybody can write."""
        if not self.trusts(peer):
            return peer
        chain = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        nearest = peer
        for entry in reversed(chain.split(",")):
            address = _address(entry)
            if address is None:
                return nearest
            nearest = str(address)
            if not self._is_ours(address):
                return nearest
        return nearest

    def scheme(self, peer: str, headers: Iterable[Header], scheme: str) -> str:
        """``https`` when a proxy of ours says that it ended TLS."""
        said = next((value for name, value in headers if name == b"x-forwarded-proto"), b"")
        return said.decode() if said in (b"http", b"https") and self.trusts(peer) else scheme

    def trusts(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and self._is_ours(address)

    def _is_ours(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
