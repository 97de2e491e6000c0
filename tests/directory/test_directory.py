"""Looking up users, devices and destinations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.model import Address
from relay.calls.numbers import is_e164
from relay.directory.directory import Directory
from relay.directory.loading import demo
from relay.errors import InvalidFieldError, NotFoundError

TENANT = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
OTHER_TENANT = "5d2f1c6a-7a55-4f0e-9d0b-1f6f8e1a2b3c"
JOHNS_DEVICE = "7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11"
DEMO = demo()


@pytest.fixture
def directory() -> Directory:
    """Give the demo directory, with nothing remembered."""
    return demo()


@pytest.mark.parametrize(
    ("login", "name", "extension", "device", "number", "role", "ringcentral"),
    [
        ("jane", "Jane Doe", "210", "631608b3-ceb1-472b-ba05-2ae39555b0d1", "15000", "agent", "400100000210"),
        ("john", "John Doe", "200", "7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11", "15002", "agent", "400100000200"),
        ("alex", "Alex Roe", "220", "c2a1d9f4-0e4b-4f0c-8a55-90b7c4d1e733", "15003", "agent", "400100000220"),
        ("admin", "Admin", None, None, None, "admin", "400100000001"),
    ],
)
async def test_the_demo_directory_has_the_published_users(
    directory: Directory,
    login: str,
    name: str,
    extension: str | None,
    device: str | None,
    number: str | None,
    role: str,
    ringcentral: str,
) -> None:
    """The demo's users, phones, tokens and passwords are those the README tells of."""
    by_token = await directory.by_token(f"demo-{login}")
    by_password = await directory.by_password(login, "demo")
    assert by_token is not None
    assert by_token == by_password
    user = by_token.user
    assert by_token.account == TENANT
    assert (user.name, user.extension, user.ringcentral_id) == (name, extension, ringcentral)
    assert user.roles == {role}
    assert by_token.is_admin == (role == "admin")
    assert [(phone.id, phone.number) for phone in user.devices] == ([(device, number)] if device else [])
    assert len(bytes.fromhex(user.id)) == 16


async def test_the_demo_has_a_second_tenant(directory: Directory) -> None:
    """Mallory's tenant has an extension 210 of its own."""
    mallory = await directory.by_token("demo-mallory")
    assert mallory is not None
    assert mallory.account == OTHER_TENANT
    assert mallory.owns_extension("210")
    assert directory.resolve(OTHER_TENANT, "210").number == "25000"
    account = directory.account(OTHER_TENANT)
    assert account is not None
    assert account.ringcentral_id == "400200000001"
    assert [account.id for account in directory.accounts()] == [TENANT, OTHER_TENANT]


async def test_an_oauth_client_needs_its_secret(directory: Directory) -> None:
    """The client is found by id and secret together only."""
    client = await directory.by_client("demo-client", "demo-secret")
    assert client is not None
    assert client.account == TENANT
    assert await directory.by_client("demo-client", "other") is None
    assert await directory.by_client("other", "demo-secret") is None


@pytest.mark.parametrize("destination", ["200", "15002"])
def test_a_destination_is_an_extension_or_a_directory_number(directory: Directory, destination: str) -> None:
    """Both lead to the user's phone, with everything that renderers show."""
    john = directory.by_extension(TENANT, "200")
    assert john is not None
    assert directory.resolve(TENANT, destination) == Address(
        number="15002", name="John Doe", extension="200", user_id=john.id, device_id=JOHNS_DEVICE
    )


def test_a_destination_may_be_an_external_number(directory: Directory) -> None:
    """E.164 with its plus sign leads outside."""
    address = directory.resolve(TENANT, "+12025550123")
    assert address == Address(number="+12025550123")
    assert not address.ours


@pytest.mark.parametrize(
    "destination",
    [
        "999",
        "25000",
        "",
        "+",
        "+0123456789",
        "+1234567890123456",
        "jane",
        "\uff12\uff10\uff10",
        "200\n",
        "+1202555012\uff13",
    ],
)
def test_other_destinations_are_refused(directory: Directory, destination: str) -> None:
    """Digits nobody here has, and what is no number at all, name the field and say what is right."""
    with pytest.raises(InvalidFieldError, match=r"an extension .* E\.164") as caught:
        directory.resolve(TENANT, destination)
    assert caught.value.field == "destination"


@given(st.text())
def test_any_destination_resolves_or_is_refused(destination: str) -> None:
    """No text makes the resolver fail in another way."""
    try:
        address = DEMO.resolve(TENANT, destination)
    except InvalidFieldError:
        return
    assert address.ours or is_e164(address.number)


def test_nothing_is_found_across_tenants(directory: Directory) -> None:
    """A device, number or user of another account does not exist."""
    jane = directory.by_extension(TENANT, "210")
    mallory = directory.by_extension(OTHER_TENANT, "210")
    assert jane is not None
    assert mallory is not None
    assert jane != mallory
    assert directory.by_device(OTHER_TENANT, JOHNS_DEVICE) is None
    assert directory.by_number(OTHER_TENANT, "15002") is None
    assert directory.user(OTHER_TENANT, jane.id) is None
    with pytest.raises(NotFoundError):
        directory.address(OTHER_TENANT, JOHNS_DEVICE)
    assert directory.users("no-such-account") == ()
    assert directory.by_extension("no-such-account", "210") is None


def test_devices_are_found_by_id(directory: Directory) -> None:
    """A device is found in its account with its user, and by its id alone."""
    found = directory.by_device(TENANT, JOHNS_DEVICE)
    assert found is not None
    user, device = found
    assert (user.login, device.number, device.answer_after, device.pickup_after) == (
        "john",
        "15002",
        None,
        0.2,
    )
    assert directory.device(JOHNS_DEVICE) == device
    assert directory.device("no-such-device") is None
    assert directory.address(TENANT, JOHNS_DEVICE).number == "15002"


@pytest.mark.parametrize("token", ["", "demo-", "demo-jane ", "DEMO-JANE", "dem\udcff", "x" * 10_000])
async def test_an_unknown_token_speaks_for_nobody(directory: Directory, token: str) -> None:
    """Only the exact token is known, and no text makes the look-up fail."""
    assert await directory.by_token(token) is None


def test_representations_show_no_hash(directory: Directory) -> None:
    """Neither directory nor user shows what proves who someone is."""
    assert "$" not in repr(directory) + repr(directory.users(TENANT))
