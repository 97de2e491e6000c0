"""Loading the directory file: every fault is named with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.directory.credentials import hash_password, hash_token
from relay.directory.loading import load, parse
from relay.errors import ConfigurationError

USERS = """\
accounts:
  - id: t1
    users:
      - {login: jane, extension: "210", devices: [{id: d1, number: "15000"}]}
      - {login: john, extension: "200", devices: [{id: d2, number: "15002"}]}
"""


def fault(text: str) -> str:
    """Return what is said of a file that cannot be used."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "d.yaml")
    return str(caught.value)


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    """Ids that the file leaves out are derived, and the same at each load."""
    path = tmp_path / "directory.yaml"
    path.write_text(USERS)
    first, second = load(path), load(path)
    assert first.users("t1") == second.users("t1")
    jane, john = first.users("t1")
    assert jane.id != john.id
    assert len(jane.id) == 32
    assert jane.ringcentral_id.isdigit()
    assert jane.name == "jane"
    assert jane.roles == {"agent"}


async def test_tokens_and_passwords_are_given_as_hashes() -> None:
    """What the hashing helpers return is what the file takes."""
    token, password = hash_token("t0ken"), hash_password("pass word", n=2**10, r=8, p=1)
    directory = parse(
        USERS.replace("login: jane,", f"login: jane, tokens: [{token}], password: {password},"), "d.yaml"
    )
    assert await directory.by_token("t0ken") == await directory.by_password("jane", "pass word")
    assert await directory.by_token(token) is None
    assert await directory.by_password("john", "pass word") is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"200"', '"210"', 'accounts[0].users[1].extension: "210" is taken by jane'),
        ('"200"', "200", 'accounts[0].users[1].extension: must be text; write digits in quotes, as "210"'),
        ('"200"', '"2x"', 'accounts[0].users[1].extension: must be 1 to 8 digits, such as "210"'),
        ('"15002"', '"15000"', 'accounts[0].users[1].devices[0].number: "15000" is taken by jane'),
        ('"15002"', '"210"', 'accounts[0].users[1].devices[0].number: "210" is taken by jane'),
        ("d2", "d1", 'accounts[0].users[1].devices[0].id: "d1" is taken by jane'),
        ("john", "jane", 'accounts[0].users[1].login: "jane" is taken by account t1'),
        ("login: john,", "", "accounts[0].users[1].login: Missing data for required field."),
        ("john,", "john, tokens: [demo],", "accounts[0].users[1].tokens[0]: must be sha256$"),
        ("john,", "john, password: demo,", "accounts[0].users[1].password: must be scrypt$"),
        ("john,", "john, roles: [boss],", "accounts[0].users[1].roles[0]: must be agent or admin"),
        ("john,", "john, phone: 1,", "accounts[0].users[1].phone: is not a known field"),
        ("john,", "john, id: ABC,", "accounts[0].users[1].id: must be 32 lower-case hex digits"),
        (
            'number: "15002"',
            'number: "1", answer_after: -1',
            "accounts[0].users[1].devices[0].answer_after: must be 0",
        ),
        ("john,", "john, login: jon,", "login is given twice"),
        ("accounts:", "account:", "accounts: Missing data for required field."),
        ("- id: t1", "- {id: t1}\n  - id: t1", 'accounts[1].id: "t1" is taken by account t1'),
        ("users:", "users: [", "is not valid YAML"),
    ],
)
def test_a_fault_is_named_with_its_place(old: str, new: str, expected: str) -> None:
    """Whoever wrote the file is led to the line."""
    assert expected in fault(USERS.replace(old, new, 1))


def test_every_fault_is_named_at_once() -> None:
    """A file with several faults needs one round of repair."""
    text = fault(USERS.replace('"200"', "200").replace('"15000"', "15000"))
    assert text.count("d.yaml: accounts[0].users[") == 2


def test_a_token_that_two_users_share_is_not_shown() -> None:
    """The fault names the place and who has it, but not the hash."""
    token = hash_token("t0ken")
    text = fault(
        USERS.replace("jane,", f"jane, tokens: [{token}],").replace("john,", f"john, tokens: [{token}],")
    )
    assert text == "d.yaml: accounts[0].users[1].tokens[0]: the token is taken by jane"


@pytest.mark.parametrize(
    "text", ["", "[]", "accounts: []", "accounts: {}", "- a\n- b", "x", "[" * 5000, "\x00"]
)
def test_another_shape_is_refused(text: str) -> None:
    """What is no directory at all is a fault like any other."""
    assert fault(text).startswith("d.yaml: ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The message names the setting, the file and the reason."""
    message = r"^RELAY_DIRECTORY: .*absent\.yaml cannot be read: No such file or directory$"
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "stored",
    [
        "scrypt$3$8$1$" + "0" * 32 + "$" + "0" * 64,
        "scrypt$1048576$32$1$" + "0" * 32 + "$" + "0" * 64,
        "scrypt$16384$8$99$" + "0" * 32 + "$" + "0" * 64,
        "scrypt$16384$8$1$zz$" + "0" * 64,
    ],
)
def test_costs_out_of_bounds_are_refused(stored: str) -> None:
    """A stored hash cannot make a verification take all memory."""
    assert "accounts[0].users[0].password: " in fault(USERS.replace("jane,", f"jane, password: {stored},"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["accounts", "users", "id", "login", "devices", "x"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_content_loads_or_is_refused(content: object) -> None:
    """No file makes loading fail in another way."""
    try:
        parse(json.dumps(content), "d.yaml")
    except ConfigurationError as error:
        assert str(error).startswith("d.yaml: ")  # noqa: PT017 - either outcome is right
