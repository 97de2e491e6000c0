from __future__ import annotations

import pytest

from relay.dialects.ringcentral.limits import Group, Limits, Standing
from relay.errors import ConfigurationError
from relay.journal.store import Store
from relay.settings import Settings
from tests.dialects.ringcentral.calls import ACCOUNT
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Face

SESSION = "/telephony/sessions/s-1"


async def _count(
    limits: Limits, times: int = 1, *, group: Group = Group.LIGHT, who: str = "jane"
) -> Standing:
    standing = None
    for _ in range(times):
        standing = await limits.count(Group.LIGHT, ACCOUNT, "app", "jane")
    assert standing is not None
    return standing


async def test_answers_tell_where_the_user_stands(serve: Serve) -> None:
    """Group, limit, what remains and the window are on every answer, errors among them."""
    face: Face = await serve(rate_limits=True, ringcentral_limits=(3, 2, 1, 9))
    await face.token("jane")
    answers = [await face.get(SESSION) for _ in range(4)]
    shown = [
        [answer.headers[f"X-Rate-Limit-{name}"] for name in ("Group", "Limit", "Remaining", "Window")]
        for answer in answers
    ]
    assert shown == [["light", "3", str(left), "60"] for left in (2, 1, 0, 0)]
    assert [answer.status for answer in answers] == [404, 404, 404, 429]
    assert (answers[-1].code, answers[-1].headers["Retry-After"]) == ("CMN-301", "60")
    assert "Retry-After" not in answers[0].headers


async def test_groups_users_and_processes(serve: Serve) -> None:
    """A user's groups are counted apart, other users' too, and all processes count together."""
    settings = {"rate_limits": True, "ringcentral_limits": (2, 2, 1, 9)}
    one, other = await serve(**settings), await serve(**settings)
    assert (await one.get(SESSION)).status == 404
    assert (await other.get(SESSION)).status == 404
    assert (await one.get(SESSION)).status == 429
    assert (await one.get(SESSION, "john")).status == 404
    assert (await one.post("/telephony/call-out", {})).status == 400
    assert (await one.post("/telephony/call-out", {})).status == 429


async def test_logins_are_limited_by_who_they_are_for(serve: Serve) -> None:
    """One login cannot be guessed at without end; others go on."""
    face: Face = await serve(rate_limits=True, ringcentral_limits=(9, 9, 9, 2))
    form = {"grant_type": "password", "username": "jane", "password": "wrong"}
    assert [(await face.oauth(**form)).status for _ in range(3)] == [400, 400, 429]
    assert (await face.oauth(**{**form, "password": "demo"})).status == 429
    assert (await face.oauth(**{**form, "username": "john", "password": "demo"})).status == 200


async def test_without_limits_nothing_is_counted(face: Face) -> None:
    """RELAY_RATE_LIMITS=off holds for this face too."""
    answer = await face.get(SESSION)
    assert not [name for name in answer.headers if name.startswith("X-Rate-Limit")]


async def test_requests_count_for_as_long_as_the_window(store: Store) -> None:
    """The window slides: each request leaves it on its own, and frees one place."""
    limits = Limits(store, (2, 9, 9, 9), enabled=True)
    assert (await _count(limits)).used == 1
    [key] = await store.call("KEYS", "*:rate:ringcentral-light:*")
    [member] = await store.call("ZRANGE", key, 0, -1)
    await store.call("ZINCRBY", key, -59_000_000, member)
    assert await _count(limits) == (Group.LIGHT, 2, 2, True)
    await store.call("ZINCRBY", key, -2_000_000, member)
    assert await _count(limits) == (Group.LIGHT, 2, 2, True)
    assert await store.call("ZSCORE", key, member) is None


async def test_a_penalty_lasts_until_the_user_keeps_quiet(store: Store) -> None:
    """Once over, a user is refused until the penalty is over, and each request begins it anew."""
    limits = Limits(store, (1, 9, 9, 9), enabled=True)
    assert not (await _count(limits, 2)).allowed
    [key] = await store.call("KEYS", "*:rate:ringcentral-light-penalty:*")
    [counted] = await store.call("KEYS", "*:rate:ringcentral-light:*")
    await store.call("DEL", counted)
    await store.call("PEXPIRE", key, 1000)
    assert not (await _count(limits)).allowed
    assert await store.call("PTTL", key) > 50_000
    await store.call("DEL", key)
    assert (await _count(limits)).allowed


async def test_what_is_counted_expires(store: Store) -> None:
    """Nothing of a user's requests is left once the window is over."""
    limits = Limits(store, (1, 9, 9, 9), enabled=True)
    await _count(limits, 2)
    lives = [await store.call("PTTL", key) for key in await store.call("KEYS", "*:rate:*")]
    assert len(lives) == 2
    assert all(0 < left <= 60_000 for left in lives)


@pytest.mark.parametrize("text", ["", "1,2,3", "0,1,1,1", "a,b,c,d", "1,2,3,4,5", "1,2,3,10001"])
def test_limits_that_cannot_be_set(text: str) -> None:
    """The setting takes four numbers of requests, one for each group."""
    with pytest.raises(ConfigurationError, match="RELAY_RINGCENTRAL_LIMITS"):
        Settings.from_environment({"RELAY_RINGCENTRAL_LIMITS": text})


def test_limits_are_set_in_the_order_of_the_groups() -> None:
    """Light, medium, heavy, auth."""
    settings = Settings.from_environment({"RELAY_RINGCENTRAL_LIMITS": "50, 40,10,5"})
    assert settings.ringcentral_limits == (50, 40, 10, 5)
