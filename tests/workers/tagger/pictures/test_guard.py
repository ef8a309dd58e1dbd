import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.guard import Guard, GuardedResolver, Refusal, Refused

HOSTILE = {
    # No http(s) URL.
    "empty": ("", "scheme"),
    "no scheme": ("images.example/a.jpg", "scheme"),
    "no scheme but slashes": ("//images.example/a.jpg", "scheme"),
    "file": ("file:///etc/passwd", "scheme"),
    "ftp": ("ftp://images.example/a.jpg", "scheme"),
    "gopher": ("gopher://images.example:70/_SET", "scheme"),
    "data": ("data:image/png;base64,iVBORw0KGgo=", "scheme"),
    "javascript": ("javascript:alert(1)", "scheme"),
    "redis": ("redis://images.example/0", "scheme"),
    "unix socket": ("unix:///run/docker.sock", "scheme"),
    "jar of http": ("jar:http://images.example!/a", "scheme"),
    "no host": ("http:///a.jpg", "host"),
    "scheme only": ("http:", "host"),
    "port out of range": ("http://images.example:99999/", "syntax"),
    "port no number": ("http://images.example:80a/", "syntax"),
    "two ports": ("http://images.example:80:80/", "syntax"),
    "port zero": ("http://images.example:0/", "host"),
    # What parsers disagree on.
    "CVE-2026-24779 backslash before the at": ("http://images.example\\@127.0.0.1/", "syntax"),
    "CVE-2026-24779 backslash in the path": ("http://images.example/\\@127.0.0.1/", "syntax"),
    "CVE-2026-24779 backslashes for slashes": ("http:\\\\127.0.0.1\\a", "syntax"),
    "userinfo": ("http://user:secret@images.example/", "userinfo"),
    "user only": ("http://images.example@127.0.0.1/", "userinfo"),
    "empty user": ("http://@127.0.0.1/", "userinfo"),
    "empty user and password": ("http://:@127.0.0.1/", "userinfo"),
    "two ats": ("http://a@b@127.0.0.1/", "userinfo"),
    "fragment before the at": ("http://127.0.0.1#@images.example/", "address"),
    "question mark before the at": ("http://127.0.0.1?@images.example/", "address"),
    "space in the host": ("http://images .example/", "syntax"),
    "space in front": (" http://images.example/", "syntax"),
    "tab in the host": ("http://127.0\t.0.1/", "syntax"),
    "line feed": ("http://images.example/\nHost: inside", "syntax"),
    "carriage return": ("http://images.example/\r\nX: y", "syntax"),
    "NUL": ("http://images.example\0.inside/", "syntax"),
    "delete character": ("http://images.example/\x7f", "syntax"),
    "next-line character": ("http://images.example/\x85", "syntax"),
    "no-break space": ("http://images.example/\xa0", "syntax"),
    "line separator": ("http://images.example/\u2028", "syntax"),
    "zero-width joiner": ("http://127.0.0.\u200d1/", "syntax"),
    "right-to-left override": ("http://images.example/\u202egpj.exe", "syntax"),
    "lone surrogate": ("http://images.example/\ud800", "syntax"),
    "percent in the host": ("http://127%2e0.0.1/", "host"),
    "percent-coded NUL in the host": ("http://images.example%00.inside/", "host"),
    "semicolon in the host": ("http://images.example;inside/", "host"),
    "comma in the host": ("http://127.0.0.1,images.example/", "host"),
    "empty label": ("http://images..example/", "host"),
    "dot only": ("http://./", "host"),
    "label too long": (f"http://{'a' * 64}.example/", "host"),
    "name too long": (f"http://{'a.' * 130}example/", "host"),
    "name too long, in another script": ("http://" + "\u0e33" * 8_000, "host"),
    "IPvFuture": ("http://[v1.fe]/", "host"),
    # Addresses in odd clothes.
    "decimal": ("http://2130706433/", "host"),
    "octal": ("http://0177.0.0.1/", "host"),
    "octal of one part": ("http://017700000001/", "host"),
    "hexadecimal": ("http://0x7f.0.0.1/", "host"),
    "hexadecimal of one part": ("http://0x7f000001/", "host"),
    "hexadecimal at the end": ("http://127.0.0.0x1/", "host"),
    "empty hexadecimal": ("http://0x/", "host"),
    "two parts": ("http://127.1/", "host"),
    "three parts": ("http://127.0.1/", "host"),
    "five parts": ("http://1.127.0.0.1/", "host"),
    "leading zeros": ("http://127.0.0.01/", "host"),
    "part too large": ("http://127.0.0.256/", "host"),
    "dot at the end": ("http://127.0.0.1./", "host"),
    "full-width digits": ("http://\uff11\uff12\uff17.0.0.1/", "address"),
    "circled digits": ("http://\u2460\u2461\u2466.0.0.1/", "address"),
    "ideographic dots": ("http://127\u30020\u30020\u30021/", "address"),
    # Addresses that lead inside.
    "loopback": ("http://127.0.0.1/", "address"),
    "loopback elsewhere": ("http://127.8.8.8/", "address"),
    "unspecified": ("http://0.0.0.0/", "address"),
    "this network": ("http://0.1.2.3/", "address"),
    "private 10": ("http://10.0.0.1/", "address"),
    "private 172.16": ("http://172.16.0.1/", "address"),
    "private 172.31": ("http://172.31.255.255/", "address"),
    "private 192.168": ("http://192.168.1.1/", "address"),
    "carrier-grade NAT": ("http://100.64.0.1/", "address"),
    "CVE-2026-33626 metadata of AWS, GCP and Azure": ("http://169.254.169.254/latest/meta-data/", "address"),
    "metadata of ECS": ("http://169.254.170.2/v2/credentials", "address"),
    "metadata of Alibaba": ("http://100.100.100.200/", "address"),
    "metadata of Oracle": ("http://192.0.0.192/", "address"),
    "host of Azure": ("http://168.63.129.16/", "address"),
    "metadata of AWS over IPv6": ("http://[fd00:ec2::254]/", "address"),
    "documentation 1": ("http://192.0.2.1/", "address"),
    "documentation 2": ("http://198.51.100.1/", "address"),
    "documentation 3": ("http://203.0.113.1/", "address"),
    "6to4 relay": ("http://192.88.99.1/", "address"),
    "benchmark": ("http://198.19.0.1/", "address"),
    "multicast": ("http://224.0.0.1/", "address"),
    "reserved": ("http://240.0.0.1/", "address"),
    "broadcast": ("http://255.255.255.255/", "address"),
    "IPv6 loopback": ("http://[::1]/", "address"),
    "IPv6 loopback in full": ("http://[0:0:0:0:0:0:0:1]/", "address"),
    "IPv6 unspecified": ("http://[::]/", "address"),
    "IPv4-mapped loopback": ("http://[::ffff:127.0.0.1]/", "address"),
    "IPv4-mapped public": ("http://[::ffff:8.8.8.8]/", "address"),
    "IPv4-compatible": ("http://[::127.0.0.1]/", "address"),
    "IPv4-translated": ("http://[::ffff:0:127.0.0.1]/", "address"),
    "NAT64": ("http://[64:ff9b::127.0.0.1]/", "address"),
    "local NAT64": ("http://[64:ff9b:1::7f00:1]/", "address"),
    "6to4": ("http://[2002:7f00:1::]/", "address"),
    "Teredo": ("http://[2001:0:7f00:1::]/", "address"),
    "ORCHID": ("http://[2001:20::1]/", "address"),
    "unique local": ("http://[fd00::1]/", "address"),
    "IPv6 link-local": ("http://[fe80::1]/", "address"),
    "IPv6 site-local": ("http://[fec0::1]/", "address"),
    "IPv6 multicast": ("http://[ff02::1]/", "address"),
    "IPv6 documentation": ("http://[2001:db8::1]/", "address"),
    "IPv6 documentation, the new": ("http://[3fff::1]/", "address"),
    "discard only": ("http://[100::1]/", "address"),
    "zone": ("http://[fe80::1%25eth0]/", "host"),
    "slash of another script": ("http://images.example\uff0f.inside/", "syntax"),
    "at of another script": ("http://images.example\uff20127.0.0.1/", "syntax"),
    "colon of another script": ("http://images.example\uff1a22/", "syntax"),
    "account-of sign, which holds a slash": ("http://images.example\u2100.inside/", "syntax"),
    "IDNA prefix without a name": ("http://xn--.example/", "host"),
    "zone, not coded": ("http://[fe80::1%eth0]/", "host"),
    # Ports where something else than pictures is served.
    "SSH": ("http://93.184.216.34:22/", "port"),
    "Redis": ("http://93.184.216.34:6379/", "port"),
    "8080": ("http://93.184.216.34:8080/", "port"),
}


@pytest.fixture
def guard(metrics: Metrics) -> Guard:
    return Guard(PictureSettings(), metrics)


@pytest.mark.attack("{url}", "refused: {reason}")
@pytest.mark.parametrize(("url", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_url_is_refused(guard: Guard, count: Callable[..., float], url: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        guard.check(url)
    assert refused.value.refusal == reason
    assert count("image_refusals_total", reason=reason) == 1
    outside = refused.value.status is ImageStatus.REFUSED
    assert outside == (reason in {"address", "port"})
    assert refused.value.status in {ImageStatus.BAD_URL, ImageStatus.REFUSED}


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://images.example/a.jpg", "http://images.example/a.jpg"),
        ("HTTPS://Images.Example/A.jpg?size=2#top", "https://images.example/A.jpg?size=2"),
        ("http://images.example:80/", "http://images.example/"),
        ("https://images.example:443/", "https://images.example/"),
        ("http://images.example:443/", "http://images.example:443/"),
        ("https://images.example:8443/", "https://images.example:8443/"),
        ("http://images.example./", "http://images.example./"),
        ("http://user_images.example/@someone/a.jpg", "http://user_images.example/@someone/a.jpg"),
        ("http://images.example?a@b", "http://images.example/?a@b"),
        ("http://b\xfccher.example/\xfc.jpg", "http://xn--bcher-kva.example/%C3%BC.jpg"),
        ("http://93.184.216.34/", "http://93.184.216.34/"),
        ("http://[2606:4700::1111]/", "http://[2606:4700::1111]/"),
        ("http://1.images.example/", "http://1.images.example/"),
        ("http://0x7f.example/", "http://0x7f.example/"),
    ],
)
def test_an_ordinary_url_passes_as_it_will_be_sent(guard: Guard, url: str, sent: str) -> None:
    assert str(guard.check(url)) == sent


@given(st.one_of(st.text(), st.text().map("http://".__add__), st.text().map("http://127.0.0.1".__add__)))
@example("http://[")
@example("http://xn--")
@example("http://" + "a" * 9_000)
def test_any_text_is_judged_and_what_passes_is_plain(text: str) -> None:
    try:
        url = Guard(PictureSettings(), METRICS).check(text)
    except Refused:
        return
    assert url.scheme in {"http", "https"}
    assert url.raw_host
    assert url.user is None
    assert url.password is None
    # What is sent reads the same to the next parser, so that there are no two readings to choose from.
    assert URL(str(url)) == url
    # Nor is there a host that the C library takes for an address and the guard for a name.
    with suppress(OSError):
        packed = socket.inet_aton(url.raw_host)
        assert socket.inet_ntoa(packed) == url.raw_host


METRICS = Metrics()


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("b.jpg", "https://images.example/a/b.jpg"),
        ("/b.jpg", "https://images.example/b.jpg"),
        ("//other.example/b.jpg", "https://other.example/b.jpg"),
        ("https://other.example/b.jpg", "https://other.example/b.jpg"),
        ("?size=2", "https://images.example/a/x.jpg?size=2"),
    ],
)
def test_a_redirect_is_followed_from_where_it_stands(guard: Guard, location: str, target: str) -> None:
    assert str(guard.follow(URL("https://images.example/a/x.jpg"), location)) == target


@pytest.mark.attack("a redirect to {location}", "refused: {reason}")
@pytest.mark.parametrize(
    ("location", "reason"),
    [
        pytest.param("http://images.example/", "downgrade", id="https to http"),
        pytest.param("file:///etc/passwd", "scheme", id="file"),
        pytest.param("data:image/png;base64,", "scheme", id="data"),
        pytest.param("https://127.0.0.1/", "address", id="loopback"),
        pytest.param("//169.254.169.254/", "address", id="metadata without a scheme"),
        pytest.param("//2130706433/", "host", id="decimal without a scheme"),
        pytest.param("https://a@images.example/", "userinfo", id="userinfo"),
        pytest.param("/\\inside.example/", "syntax", id="backslash"),
        pytest.param("https://[", "syntax", id="no URL"),
        pytest.param("https://images.example/\udcff", "syntax", id="bytes that are no UTF-8"),
        pytest.param("https://93.184.216.34:25/", "port", id="port"),
    ],
)
def test_a_redirect_is_judged_as_a_url_is(guard: Guard, location: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        guard.follow(URL("https://images.example/a.jpg"), location)
    assert refused.value.refusal == reason


def test_http_may_go_to_https_and_stay_http(guard: Guard) -> None:
    assert guard.follow(URL("http://images.example/"), "https://images.example/").scheme == "https"
    assert guard.follow(URL("http://images.example/"), "/a").scheme == "http"


@pytest.mark.attack("addresses beside an allowed network", "refused: address")
def test_an_allowed_network_passes_on_every_port(metrics: Metrics) -> None:
    guard = Guard(
        PictureSettings(allow_network=(ip_network("10.1.0.0/16"), ip_network("fd00::/64"))), metrics
    )
    assert guard.check("http://10.1.2.3:9000/").port == 9000
    assert guard.check("http://[fd00::5]:9000/").port == 9000
    for outside in ("http://10.2.0.1/", "http://[fd00:0:0:1::5]/", "http://[::ffff:10.1.2.3]/"):
        with pytest.raises(Refused):
            guard.check(outside)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_addresses_pass(guard: Guard, address: str) -> None:
    guard.admit(address, 443)


class Answers(AbstractResolver):
    """A name server that a stranger runs: each question gets its next answer."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_resolver_gives_public_answers(guard: Guard, metrics: Metrics) -> None:
    resolver = GuardedResolver(Answers(["93.184.216.34", "2606:4700::1111"]), guard, metrics)
    answers = await resolver.resolve("images.example", 443)
    assert [answer["host"] for answer in answers] == ["93.184.216.34", "2606:4700::1111"]


@pytest.mark.attack("a name that resolves to {answers}", "refused: address")
@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(["127.0.0.1"], id="CVE-2025-6242 name of loopback"),
        pytest.param(["93.184.216.34", "10.0.0.1"], id="public first, private second"),
        pytest.param(["10.0.0.1", "93.184.216.34"], id="private first, public second"),
        pytest.param(["93.184.216.34", "::1"], id="public IPv4, loopback IPv6"),
        pytest.param(["::ffff:10.0.0.1"], id="IPv4-mapped"),
        pytest.param(["fe80::1%eth0"], id="zone"),
        pytest.param(["0177.0.0.1"], id="octal"),
        pytest.param(["printer"], id="no address at all"),
    ],
)
async def test_one_answer_inside_refuses_the_host(guard: Guard, metrics: Metrics, answers: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        await GuardedResolver(Answers(answers), guard, metrics).resolve("images.example", 80)
    assert refused.value.refusal is Refusal.ADDRESS


@pytest.mark.attack("a name with port 8080", "refused: port")
async def test_a_public_host_has_pictures_on_the_web_ports_only(guard: Guard, metrics: Metrics) -> None:
    with pytest.raises(Refused) as refused:
        await GuardedResolver(Answers(["93.184.216.34"]), guard, metrics).resolve("images.example", 8080)
    assert refused.value.refusal is Refusal.PORT


async def test_a_name_without_addresses_is_no_host(guard: Guard, metrics: Metrics) -> None:
    with pytest.raises(OSError, match="no address"):
        await GuardedResolver(Answers([]), guard, metrics).resolve("images.example", 80)


@pytest.mark.attack("a name that is public first and loopback then", "refused: address, the second time")
async def test_an_answer_is_judged_each_time_it_is_given(guard: Guard, metrics: Metrics) -> None:
    resolver = GuardedResolver(Answers(["93.184.216.34"], ["127.0.0.1"]), guard, metrics)
    await resolver.resolve("rebinding.example", 80)
    with pytest.raises(Refused):
        await resolver.resolve("rebinding.example", 80)


@pytest.mark.attack("an address that no check saw", "no socket is opened")
def test_no_socket_is_opened_to_an_address_inside(guard: Guard) -> None:
    with pytest.raises(PermissionError, match="the guard refused"):
        guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
    opened = guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("93.184.216.34", 80)))
    opened.close()


@pytest.mark.attack("an allowed host that leads to {address}", "refused: address")
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ],
)
def test_not_even_an_allowed_host_leads_to_a_cloud_s_metadata(metrics: Metrics, address: str) -> None:
    guard = Guard(PictureSettings(allow_host=("cdn.internal",)), metrics)
    with pytest.raises(Refused) as refused:
        guard.admit(address, 80, "cdn.internal")
    assert refused.value.refusal is Refusal.ADDRESS


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "::1", "fd12::1", "100.64.0.9", "93.184.216.34"]
)
def test_an_allowed_host_may_lead_inside_on_every_port(metrics: Metrics, address: str) -> None:
    guard = Guard(PictureSettings(allow_host=("cdn.internal",)), metrics)
    guard.admit(address, 9000, "cdn.internal")
    guard.admit(address, 9000, "cdn.internal.")
    for other in ("internal", "a.cdn.internal", "xcdn.internal", None):
        with pytest.raises(Refused):
            guard.admit(address, 9000, other)


@pytest.mark.attack("another host at an allowed host's address", "no socket is opened")
def test_a_socket_is_opened_for_the_host_that_is_spoken_to_only(metrics: Metrics) -> None:
    guard = Guard(PictureSettings(allow_host=("cdn.internal",)), metrics)
    target = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("10.0.0.1", 80))
    with guard.speaking_to("cdn.internal"):
        guard.open_socket(target).close()
    with guard.speaking_to("other.internal"), pytest.raises(PermissionError):
        guard.open_socket(target)
    with pytest.raises(PermissionError):
        guard.open_socket(target)
