"""Signatures, against the standard's vector and its own library."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.subscriptions.model import Retired
from relay.subscriptions.signing_keys import new_secret, public_key, secret_key
from relay.webhooks.signing import Signer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = b"msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ASYMMETRIC_SIGNATURE = (
    b"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)


def test_the_known_answers_come_out() -> None:
    """The standard's secrets, id, timestamp and body give the standard's signatures."""
    assert Signer([SECRET]).sign(ID, TIMESTAMP, BODY) == SIGNATURE
    assert Signer([PRIVATE]).sign(ID, TIMESTAMP, BODY) == ASYMMETRIC_SIGNATURE
    assert public_key(PRIVATE) == PUBLIC


def test_a_secret_without_prefix_or_padding_is_the_same_secret() -> None:
    """Prefix and padding carry nothing."""
    padded = "whsec_" + base64.b64encode(b"x" * 25).decode()
    bare = padded.removeprefix("whsec_").rstrip("=")

    assert secret_key(padded) == secret_key(bare) == b"x" * 25
    assert Signer([SECRET.removeprefix("whsec_")]).sign(ID, TIMESTAMP, BODY) == SIGNATURE


def test_each_secret_signs() -> None:
    """During a rotation the newest secret's signature comes first and the old one's after a space."""
    other = new_secret()

    both = Signer([other, SECRET]).sign(ID, TIMESTAMP, BODY)

    assert both == Signer([other]).sign(ID, TIMESTAMP, BODY) + b" " + SIGNATURE


def test_new_secrets_are_random_and_of_the_right_length() -> None:
    """A secret is whsec_ and 32 bytes that no other secret has."""
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert all(secret.startswith("whsec_") and len(secret_key(secret)) == 32 for secret in secrets)


def test_broken_base64_is_refused() -> None:
    """A secret that is no base64 is an error, not another key."""
    with pytest.raises(ValueError, match="base64"):
        secret_key("whsec_!!")


def test_an_asymmetric_secret_signs_what_its_public_key_verifies() -> None:
    """As v1a: Ed25519 over the same content; without its public half behind it, a key is the same key."""
    secret = new_secret("v1a")
    shown = public_key(secret)
    assert shown is not None
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown.removeprefix("whpk_")))
    pair = secret_key(secret.replace("whsk_", "whsec_"))
    assert pair[32:] == key.public_bytes_raw()

    signature = Signer([secret]).sign(ID, TIMESTAMP, BODY)

    version, _, encoded = signature.partition(b",")
    assert version == b"v1a"
    key.verify(base64.b64decode(encoded), b"%b.%d.%b" % (ID, TIMESTAMP, BODY))
    assert Signer(["whsk_" + base64.b64encode(pair[:32]).decode()]).sign(ID, TIMESTAMP, BODY) == signature
    assert public_key(SECRET) is None


def test_a_replaced_secret_signs_until_its_grace_is_over() -> None:
    """Both signatures while it lasts, also of different kinds; then the newest alone."""
    fresh = new_secret("v1a")
    signer = Signer([fresh], [Retired(SECRET, TIMESTAMP * 1000 + 1)])

    both = signer.sign(ID, TIMESTAMP, BODY)
    assert both == Signer([fresh]).sign(ID, TIMESTAMP, BODY) + b" " + SIGNATURE
    for later in (TIMESTAMP + 0.002, TIMESTAMP + 1):
        assert signer.sign(ID, later, BODY) == Signer([fresh]).sign(ID, int(later), BODY)


@given(text=st.text(max_size=300))
def test_the_standards_library_verifies_and_notices_changes(text: str) -> None:
    """PyPI standardwebhooks accepts the very bytes and refuses others."""
    body = text.encode()
    secret, now = new_secret(), int(datetime.now(UTC).timestamp())
    signature = Signer([new_secret(), secret]).sign(b"evt_07_1763717404218-0", now, body)
    headers = {
        "webhook-id": "evt_07_1763717404218-0",
        "webhook-timestamp": str(now),
        "webhook-signature": signature.decode(),
    }
    webhook = Webhook(secret)

    webhook.verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        webhook.verify(body + b" ", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        webhook.verify(body, {**headers, "webhook-id": "evt_07_1763717404218-1"}, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers, json_parse=False)
