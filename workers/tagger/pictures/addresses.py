"""Which addresses a picture may come from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Written out, since `ipaddress.is_global` differs between Python releases (CVE-2024-4032) and calls 6to4,
# NAT64 and multicast global. After IANA's special-purpose registries (RFC 6890, RFC 8190).
_SPECIAL_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, RFC 791
            "10.0.0.0/8",  # private, RFC 1918
            "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; Alibaba's metadata service too
            "127.0.0.0/8",  # loopback, RFC 1122
            "168.63.129.16/32",  # Azure's host, a public address that leads inside
            "169.254.0.0/16",  # link-local, RFC 3927; the clouds' metadata services
            "172.16.0.0/12",  # private, RFC 1918
            "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's metadata service too
            "192.0.2.0/24",  # documentation, RFC 5737
            "192.88.99.0/24",  # 6to4 relays, RFC 7526
            "192.168.0.0/16",  # private, RFC 1918
            "198.18.0.0/15",  # benchmarks, RFC 2544
            "198.51.100.0/24",  # documentation, RFC 5737
            "203.0.113.0/24",  # documentation, RFC 5737
            "224.0.0.0/4",  # multicast, RFC 5771
            "240.0.0.0/4",  # reserved, RFC 1112; broadcast
        ),
    )
)
# All of IPv6 that is handed out to the public so far (RFC 4291, 2.4). Outside it lie loopback, IPv4-mapped,
# NAT64 (RFC 6052, RFC 8215), discard-only, unique local, link-local and multicast.
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
_SPECIAL_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, RFC 2928; Teredo (RFC 4380) and ORCHID (RFC 7343) too
            "2001:db8::/32",  # documentation, RFC 3849
            "2002::/16",  # 6to4, RFC 3056: carries any IPv4 address
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)

# Where clouds keep a machine's own secrets; some lie in networks that are not link-local.
_METADATA: Final[tuple[Network, ...]] = (
    IPv4Network("169.254.0.0/16"),  # AWS, GCP, Azure, ECS and most others
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv4Network("168.63.129.16/32"),  # Azure's host
    IPv4Network("192.0.0.192/32"),  # Oracle
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::/32"),  # GCP
)
_PRIVATE_IPV6: Final = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))


def parse(text: str) -> Address | None:
    """The address that `text` writes in its usual form; None for a name, a zone (`%eth0`) or an odd form."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return None
    return address


def is_public(address: Address) -> bool:
    """Whether `address` is globally routable and can't lead anywhere else."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    return address in _PUBLIC_IPV6 and not any(address in network for network in _SPECIAL_IPV6)


def may_be_of_allowed_host(address: Address) -> bool:
    """Whether a host that the operator allowed by name may have `address`.

    Not where clouds serve metadata and credentials: that is what whoever came to rule the name would ask for
    first. Nor an IPv4 address in IPv6's clothes, which might hide it.
    """
    if is_within(address, _METADATA):
        return False
    return isinstance(address, IPv4Address) or is_public(address) or is_within(address, _PRIVATE_IPV6)


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether `address` lies in one of `networks`."""
    return any(address in network for network in networks)
