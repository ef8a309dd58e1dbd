from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.tagger.pictures.addresses import is_public, parse


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert not address.is_private
        assert not address.is_multicast
        assert not address.is_reserved
        assert not address.is_link_local
        assert not address.is_loopback
        assert not address.is_unspecified


@pytest.mark.parametrize("inside", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.0.1", "100.64.0.1"])
def test_no_ipv6_form_of_an_ipv4_address_inside_is_public(inside: str) -> None:
    number = int(IPv4Address(inside))
    for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2001::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) + number))
    assert not is_public(IPv6Address((0x2002 << 112) + (number << 80)))


@pytest.mark.parametrize(
    ("network", "before", "first", "last", "behind"),
    [
        ("private 10", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
        ("shared", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
        ("link-local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
        ("private 172", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
        ("private 192", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
        ("benchmark", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
        ("multicast and above", "223.255.255.255", "224.0.0.0", "255.255.255.255", None),
        ("IPv6 documentation", "2001:db7::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"),
        ("6to4", "2001:ffff::", "2002::", "2002:ffff::", "2003::"),
    ],
)
def test_a_special_network_ends_where_it_ends(
    *, network: str, before: str, first: str, last: str, behind: str | None
) -> None:
    assert is_public(ip_address(before)), network
    assert not is_public(ip_address(first)), network
    assert not is_public(ip_address(last)), network
    assert behind is None or is_public(ip_address(behind)), network


@pytest.mark.parametrize(
    "text", ["", "images.example", "127.1", "0x7f.0.0.1", "127.0.0.01", "fe80::1%eth0", "1"]
)
def test_an_odd_form_is_no_address(text: str) -> None:
    assert parse(text) is None
