"""The SSRF guard's table."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from relay.errors import InvalidFieldError
from relay.webhooks.guard import METADATA, BlockedAddressError, Guard, literal


def words(text: str) -> list[str]:
    """Split a table of addresses."""
    return text.split()


BLOCKED = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
169.254.1.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1
192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1::808:808 100::1 2001::1
2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe:: 2002:c0a8:101::
3fff::1 5f00::1 fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
::ffff:0:10.0.0.1 ::ffff:0:169.254.169.254
""")

PUBLIC = words("""
1.1.1.1 8.8.8.8 9.9.9.9 93.184.216.34 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1
223.255.255.254 2606:4700:4700::1111 2a00:1450:4001:80e::200e ::ffff:8.8.8.8 ::ffff:0:8.8.8.8
64:ff9b::808:808 2002:808:808::
""")


@pytest.mark.parametrize("address", BLOCKED)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    """Private, local, reserved, multicast and metadata addresses are refused, whatever wraps them."""
    guard = Guard()

    assert not guard.permits(ip_address(address))
    with pytest.raises(BlockedAddressError):
        guard.check_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    """Public addresses pass, also when an IPv6 form carries them."""
    guard = Guard()

    assert guard.permits(ip_address(address))
    guard.check_address(address)


@pytest.mark.parametrize(
    "host",
    words("""127.1 127.0.1 0x7f.1 0x7f.0.0.1 0x7f000001 0X7F000001 017700000001 0177.0.0.1 0177.1 2130706433
    10.1 0xa.1 012.1 167772161 0 0.0 0x0 3232235521 0xa9fea9fe 2852039166"""),
)
def test_old_spellings_of_addresses_are_seen_through(host: str) -> None:
    """Hex, octal, decimal and shortened literals count as the address a resolver makes of them."""
    address = literal(host)

    assert address is not None
    assert not Guard().permits(address)


@pytest.mark.parametrize(
    "host", ["example.com", "localhost", "a.b", "cafe.example", "dead.beef", "0xg", "9.example"]
)
def test_names_are_no_literals(host: str) -> None:
    """A name is left to the resolver, whose answers are checked."""
    assert literal(host) is None


def test_a_configured_network_is_open() -> None:
    """An entry opens the addresses it holds, also in mapped form, and no others."""
    guard = Guard((ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.1.0.0/16")))

    for address in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "10.1.2.3"):
        assert guard.permits(ip_address(address)), address
    for address in ("10.2.0.1", "192.168.0.1", "fd00::1"):
        assert not guard.permits(ip_address(address)), address


@pytest.mark.parametrize("address", sorted(METADATA, key=str))
def test_metadata_opens_only_to_its_exact_address(address: object) -> None:
    """Not even an entry for everything opens where clouds keep credentials; the single address does."""
    assert not Guard((ip_network("0.0.0.0/0"), ip_network("::/0"))).permits(ip_address(str(address)))
    assert Guard((ip_network(str(address)),)).permits(ip_address(str(address)))


@pytest.mark.parametrize(
    "address",
    words("::ffff:169.254.169.254 ::ffff:0:a9fe:a9fe 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: fd00:ec2::254%eth0"),
)
def test_metadata_in_disguise_is_still_metadata(address: str) -> None:
    """A broad IPv6 entry does not open a wrapped metadata address either."""
    assert not Guard((ip_network("::/0"), ip_network("169.254.0.0/16"))).permits(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1:8080/hook",
        "http://0x7f.1/",
        "http://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "http://localhost:9000/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
async def test_urls_that_lead_inside_are_refused(url: str) -> None:
    """A URL is refused whatever form its address takes, names included."""
    with pytest.raises(InvalidFieldError, match="public address") as refused:
        await Guard().check_url(url)
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "http://",
        "http:///x",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nx",
        "https://exämple.com/",
        "https://[::1/",
        "https://example.com/" + "x" * 2000,
        "https://example.com:0/",
        "https://[2606:4700:4700::1111%25eth0]/",
        "https://[2606:4700:4700::1111]example.com/",
        "https://example.com[2606:4700:4700::1111]/",
        "https://example..com/",
        "https://.example.com/",
        "https://-/",
        "https://.../",
        "https://*.example.com/",
        "https://example,com/",
        "https://example%2ecom/",
        "https://example\\.com/",
        "https://93.184.216.34./",
        "https://93.184.216.340/",
        "https://" + "x" * 64 + ".example.com/",
        "https://" + "x." * 127 + "example/",
    ],
)
async def test_malformed_urls_are_refused(url: str) -> None:
    """What is no plain http or https URL is refused by name of its field."""
    with pytest.raises(InvalidFieldError) as refused:
        await Guard().check_url(url)
    assert refused.value.field == "url"


async def test_a_public_or_unknown_host_passes() -> None:
    """A public literal passes, and so does a name that does not resolve now: every dial checks again."""
    await Guard().check_url("https://93.184.216.34/hook?x=1")
    await Guard().check_url("https://no-such-host.invalid/hook")
    await Guard().check_url("https://_hooks.a-b.NO-such-host.invalid.:8443?x=1")
    await Guard((ip_network("127.0.0.0/8"), ip_network("::1/128"))).check_url("http://localhost:1/")


async def test_an_open_address_must_be_spelt_as_usual() -> None:
    """Clients do not agree on odd spellings, so not even those of an open address are taken."""
    guard = Guard((ip_network("127.0.0.0/8"),))

    await guard.check_url("http://127.0.0.1/")
    with pytest.raises(InvalidFieldError, match="must spell"):
        await guard.check_url("http://127.1/")


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("http://127.0.0.1:8080/hook", True),
        ("http://localhost:1/", True),
        ("http://[::ffff:127.0.0.1]/", True),
        ("http://93.184.216.34/", False),
        ("http://10.0.0.1/", False),
        ("http://no-such-host.invalid/", False),
    ],
)
async def test_configured_networks_are_told_from_public_ones(url: str, opened: bool) -> None:
    """A public address is reachable, but only a configured network was opened on purpose."""
    guard = Guard((ip_network("127.0.0.0/8"), ip_network("::1/128")))

    assert await guard.opens(url) is opened
