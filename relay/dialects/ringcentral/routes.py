"""The paths of RingCentral and who answers at each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from relay.control import Control
from relay.control.control import wall_clock
from relay.dialects.ringcentral.access import Access
from relay.dialects.ringcentral.accounts import Accounts
from relay.dialects.ringcentral.calls import Calls
from relay.dialects.ringcentral.conferences import Conferences
from relay.dialects.ringcentral.diversions import Diversions
from relay.dialects.ringcentral.handshake import Handshakes
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.limits import PUBLISHED, Group, Limits
from relay.dialects.ringcentral.long_polls import LONG_POLLS, LongPolls
from relay.dialects.ringcentral.oauth import OAuth
from relay.dialects.ringcentral.parties import Parties
from relay.dialects.ringcentral.render import API
from relay.dialects.ringcentral.sessions import Sessions
from relay.dialects.ringcentral.sockets.endpoint import Sockets
from relay.dialects.ringcentral.sockets.recovery import Recovery
from relay.dialects.ringcentral.sockets.requests import Requests
from relay.dialects.ringcentral.sockets.sessions import SocketSessions
from relay.dialects.ringcentral.sockets.stats import SocketStats
from relay.dialects.ringcentral.subscriptions import SubscriptionsFace
from relay.dialects.ringcentral.tokens import Tokens
from relay.dialects.ringcentral.tunnelling import with_tunnelling
from relay.dialects.ringcentral.wishes import Wishes
from relay.directory.directory import Directory
from relay.http.detached import Detached
from relay.http.routing import with_either_slash
from relay.journal.journal import Journal
from relay.settings import Settings
from relay.streaming.hub import Hub
from relay.subscriptions.store import Subscriptions
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Sender

PREFIX: Final = "/restapi"
"""Under which every path is, and under which errors are rendered."""

SOCKET: Final = f"{PREFIX}/ws"
"""Where WebSockets are opened."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the face is made of."""

    control: Control
    journal: Journal
    directory: Directory
    identities: Identities
    detached: Detached
    settings: Settings
    subscriptions: Subscriptions
    sender: Sender
    """Shakes hands with webhooks."""
    guard: Guard
    hub: Hub
    """Tells WebSockets and long polls of events."""
    socket_stats: SocketStats
    now: Callable[[], int] = wall_clock
    """Milliseconds since the epoch."""


def add_routes(app: web.Application, parts: Parts) -> Sockets:
    """Add every route of RingCentral, and return its WebSockets: they are the caller's to drain.

    Errors are raised, for `errors_middleware` with `render_error` under `PREFIX` to answer.
    """
    store, settings = parts.journal.store, parts.settings
    tokens = Tokens(store, parts.directory)
    limits = Limits(store, settings.ringcentral_limits or PUBLISHED, enabled=settings.rate_limits)
    access = Access(tokens, parts.identities, limits)
    oauth = OAuth(tokens, parts.directory, limits, _socket_uri(settings.base_url))
    calls = Calls(parts.control, parts.detached)
    long_polls = app[LONG_POLLS] = LongPolls(parts.hub)
    app.on_shutdown.append(long_polls.drain)
    sessions = Sessions(parts.control, calls, parts.identities, parts.detached, long_polls, access)
    parties = Parties(calls, parts.identities)
    diversions = Diversions(calls, parts.identities)
    conferences = Conferences(parts.control, calls, parts.identities, parts.detached)
    accounts = Accounts(
        parts.control,
        parts.journal,
        parts.directory,
        parts.identities,
        access,
        settings.base_url,
        parts.now,
    )
    wishes = Wishes(parts.identities)
    subscriptions = SubscriptionsFace(
        parts.subscriptions,
        wishes,
        Handshakes(parts.sender, parts.guard),
        parts.detached,
        settings.base_url,
    )
    protected = access.protected
    account = f"{API}/account/{{accountId}}"
    extension = f"{account}/extension/{{extensionId}}"
    telephony = f"{account}/telephony"
    session = f"{telephony}/sessions/{{telephonySessionId}}"
    party = f"{session}/parties/{{partyId:(?!bring-in/?$)[^/]+}}"
    routes = [
        web.post(f"{PREFIX}/oauth/token", oauth.token),
        web.post(f"{PREFIX}/oauth/revoke", oauth.revoke),
        web.post(f"{PREFIX}/oauth/wstoken", protected(Group.AUTH, oauth.socket_token)),
        web.post(f"{telephony}/call-out", protected(Group.HEAVY, sessions.call_out)),
        web.post(f"{telephony}/conference", protected(Group.HEAVY, conferences.place)),
        web.get(session, protected(Group.LIGHT, sessions.read)),
        web.delete(session, protected(Group.LIGHT, sessions.end)),
        web.post(f"{session}/supervise", protected(Group.LIGHT, conferences.supervise_session)),
        web.post(f"{session}/parties/bring-in", protected(Group.LIGHT, conferences.bring_in)),
        web.get(party, protected(Group.LIGHT, sessions.read_party)),
        web.patch(party, protected(Group.LIGHT, parties.update)),
        web.delete(party, protected(Group.LIGHT, parties.remove)),
        web.post(f"{party}/hold", protected(Group.LIGHT, parties.hold)),
        web.post(f"{party}/unhold", protected(Group.LIGHT, parties.unhold)),
        web.post(f"{party}/answer", protected(Group.LIGHT, parties.answer)),
        web.post(f"{party}/reject", protected(Group.LIGHT, parties.reject)),
        web.post(f"{party}/ignore", protected(Group.LIGHT, parties.ignore)),
        web.post(f"{party}/forward", protected(Group.LIGHT, diversions.forward)),
        web.post(f"{party}/transfer", protected(Group.LIGHT, diversions.transfer)),
        web.post(f"{party}/flip", protected(Group.LIGHT, diversions.flip)),
        web.post(f"{party}/park", protected(Group.LIGHT, diversions.park)),
        web.post(f"{party}/pickup", protected(Group.LIGHT, diversions.pick_up)),
        web.post(f"{party}/reply", protected(Group.LIGHT, diversions.reply)),
        web.post(f"{party}/supervise", protected(Group.LIGHT, conferences.supervise_party)),
        web.post(f"{party}/bridge", protected(Group.LIGHT, parties.bridge)),
        web.post(f"{party}/recordings", protected(Group.LIGHT, parties.record)),
        web.patch(f"{party}/recordings/{{recordingId}}", protected(Group.LIGHT, parties.update_recording)),
        web.get(extension, protected(Group.LIGHT, accounts.extension)),
        web.get(f"{extension}/device", protected(Group.MEDIUM, accounts.devices)),
        web.get(f"{extension}/presence", protected(Group.LIGHT, accounts.presence)),
        web.get(f"{account}/presence", protected(Group.HEAVY, accounts.all_presence)),
        web.get(f"{extension}/active-calls", protected(Group.HEAVY, accounts.active_calls)),
        web.get(f"{account}/active-calls", protected(Group.HEAVY, accounts.all_active_calls)),
    ]
    every, one = f"{API}/subscription", f"{API}/subscription/{{subscriptionId}}"
    routes += [
        web.get(every, protected(Group.LIGHT, subscriptions.list)),
        web.post(every, protected(Group.MEDIUM, subscriptions.create)),
        web.get(one, protected(Group.LIGHT, subscriptions.get)),
        web.put(one, protected(Group.MEDIUM, subscriptions.update)),
        web.delete(one, protected(Group.MEDIUM, subscriptions.delete)),
        web.post(f"{one}/renew", protected(Group.LIGHT, subscriptions.renew)),
    ]
    sockets = _sockets(parts, tokens, wishes, limits)
    routes = [*with_tunnelling(routes), web.get(SOCKET, sockets.serve)]
    app.add_routes(with_either_slash(routes))
    return sockets


def _sockets(parts: Parts, tokens: Tokens, wishes: Wishes, limits: Limits) -> Sockets:
    settings, hub = parts.settings, parts.hub
    sessions = SocketSessions(parts.journal.store)
    requests = Requests(hub, parts.identities, wishes, limits, settings.base_url)
    recovery = Recovery(parts.journal, hub, sessions, requests)
    return Sockets(
        tokens,
        sessions,
        requests,
        recovery,
        hub,
        parts.socket_stats,
        base_url=settings.base_url,
        origins=settings.cors_origins,
    )


def _socket_uri(base_url: str) -> str:
    scheme, _, rest = base_url.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{SOCKET}"
