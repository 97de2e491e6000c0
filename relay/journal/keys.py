"""Every key relay keeps in the store. Nothing else builds one.

All keys of a partition carry its hash tag, so that one script may touch them and Redis Cluster keeps them
together. Scores and times are milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

META: Final = "relay:meta"
"""Hash: ``schema``, ``partitions`` and ``id`` of the store, written when it is first used."""
MEMBERS: Final = "relay:members"
"""ZSET: running processes by the time of their last heartbeat."""


def partition_of(account: str, partitions: int) -> int:
    """Return the partition that holds everything of the account."""
    return crc32(account.encode()) % partitions


LINE: Final = "line:"
"""Begins the fields of a device's hash that hold its live legs; the leg's id follows."""
SUPERVISOR: Final = "supervisor:"
"""Begins those that hold who takes part in its calls; the supervisor's device id follows."""
QUIET: Final = "dnd:"
"""Begins the fields of a user's presence that name devices which take no calls; the device's id follows."""


class Keys:
    """The keys of one partition."""

    __slots__ = (
        "_prefix",
        "bayeux_due",
        "bayeux_users",
        "cursor",
        "due",
        "epoch",
        "errands",
        "events",
        "health",
        "lease",
        "partition",
        "ready",
        "subs",
        "timers",
        "with_dead",
    )

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._prefix = prefix = f"relay:{{p{partition:02d}}}:"
        #: Stream: the journal. Fields ``k`` record kind, ``a`` account, ``d`` the record as JSON.
        self.events = prefix + "events"
        #: Hash: subscription id -> ``<id of its creation> <id of its last change> <JSON>``.
        self.subs = prefix + "subs"
        #: String: how far the events are fanned out, ``<stream id>`` or ``<stream id>:<subscription>``.
        self.cursor = prefix + "cursor"
        #: Set: ids of the subscriptions whose queue has entries.
        self.ready = prefix + "ready"
        #: Set: ids of the subscriptions that have dead letters; taken out once none are counted.
        self.with_dead = prefix + "with-dead"
        #: ZSET: lanes that wait for a retry, ``<subscription> <session>``, by the time it is due.
        self.due = prefix + "due"
        #: Hash: id -> JSON, what the owner is asked to do for subscriptions and has not done yet.
        self.errands = prefix + "errands"
        #: Hash: subscription id -> JSON, how endpoints are doing that fail.
        self.health = prefix + "health"
        #: ZSET: timers of simulated phones as JSON, by the time they are due.
        self.timers = prefix + "timers"
        #: String with expiry: token of the process that owns the partition.
        self.lease = prefix + "lease"
        #: String: random id of this history of the partition; another one means the store was emptied.
        self.epoch = prefix + "epoch"
        #: ZSET: Bayeux client ids by the time their session expires.
        self.bayeux_due = prefix + "bayeux-due"
        #: Hash: ``<account>/<user id>`` -> how many Bayeux sessions the user has.
        self.bayeux_users = prefix + "bayeux-users"

    def __repr__(self) -> str:
        return f"Keys({self._prefix}*)"

    def call(self, session: str) -> str:
        """Return the hash of a session.

        ``version``, ``record`` (the session as JSON), ``nonces`` (the last ones, with their events' ids).
        Expires an hour after the session ended.
        """
        return f"{self._prefix}call:{session}"

    def leg(self, leg: str) -> str:
        """Return the string that is the id of the session a leg belongs to; expires with the session."""
        return f"{self._prefix}leg:{leg}"

    def device(self, account: str, device: str) -> str:
        """Return the hash of one of the account's devices, or of a parking place, which has lines alone.

        ``settings`` and ``rev`` of them, ``line:<leg>`` -> JSON for each live leg at it, and
        ``supervisor:<device>`` -> JSON for each device that takes part in its calls.
        """
        return f"{self._prefix}device:{account}:{device}"

    def presence(self, account: str, user: str) -> str:
        """Return the hash of what one of the account's users does on the telephone.

        Leg -> JSON of each call the user is in, ``dnd:<device>`` -> its id in quotes for each device that
        takes no calls, and ``sequence``, how often it was told.
        """
        return f"{self._prefix}presence:{account}:{user}"

    def agent(self, account: str, user: str) -> str:
        """Return the hash of the state that one of the account's users is in: ``state`` and ``rev`` of it."""
        return f"{self._prefix}agent:{account}:{user}"

    def live(self, account: str) -> str:
        """Return the set of the account's sessions that have not ended."""
        return f"{self._prefix}live:{account}"

    def log(self, account: str) -> str:
        """Return the stream of the ids of the account's events, as they are in `events`; it has no bodies."""
        return f"{self._prefix}log:{account}"

    def subs_of(self, account: str) -> str:
        """Return the ZSET of an account's subscriptions, by the place of the record of their creation."""
        return f"{self._prefix}subs:{account}"

    def queue(self, subscription: str) -> str:
        """Return the ZSET of the events that wait for a subscription, by place: ms x 4096 + sequence."""
        return f"{self._prefix}queue:{subscription}"

    def lanes(self, subscription: str) -> str:
        """Return the hash of a subscription's failing lanes.

        Session -> ``<attempts> <event> <event>...``: the event that failed, then those that wait behind it.
        """
        return f"{self._prefix}lanes:{subscription}"

    def attempts(self, subscription: str) -> str:
        """Return the ZSET of a subscription's deliveries with their attempts: ``<event> <JSON>`` by place."""
        return f"{self._prefix}attempts:{subscription}"

    def dead(self, subscription: str) -> str:
        """Return the ZSET of the deliveries a subscription has given up, as in `attempts`."""
        return f"{self._prefix}dead:{subscription}"

    def aside(self, key: str) -> str:
        """Return where one of the partition's keys is put that is of no use; expires."""
        return f"{self._prefix}aside:{key.removeprefix(self._prefix)}"

    def anew(self, key: str, nonce: str) -> str:
        """Return where somebody puts together what is to take its place; expires."""
        return f"{self._prefix}anew:{key.removeprefix(self._prefix)}:{nonce}"

    def recovery(self, subscription: str, recovery: str) -> str:
        """Return the string that says how far a recovery has come, as JSON; expires."""
        return f"{self._prefix}recovery:{subscription}:{recovery}"

    def parked(self, event: str) -> str:
        """Return the hash of an event's record, kept for deliveries that outlive it in the journal.

        ``kind``, ``account``, ``body``, and each subscription that needs it as ``live`` or ``dead``.
        """
        return f"{self._prefix}parked:{event}"

    def bayeux(self, client: str) -> str:
        """Return the hash of one client's Bayeux session.

        ``account``, ``user``, ``created`` (ms), ``gen`` (its connects so far), ``held`` (1: the last one is
        not answered yet), ``cursor``, ``by`` (the connect that moved it there), ``changed`` (id of the last
        record about it), ``sub:<pattern>`` -> id after which entries match. For a while after the session has
        ended, only ``ended``: why.
        """
        return f"{self._prefix}bayeux:{client}"

    def bayeux_login(self, login: str) -> str:
        """Return the set of Bayeux clients whose sessions a login began; expires."""
        return f"{self._prefix}bayeux-login:{login}"

    def receipt(self, command: str) -> str:
        """Return the string that says which leg a command was accepted with, as JSON; expires after a day."""
        return f"{self._prefix}receipt:{command}"

    def idem(self, key: str) -> str:
        """Return the key of what was answered under an idempotency key; expires."""
        return f"{self._prefix}idem:{key}"

    def token(self, digest: str) -> str:
        """Return the key of whom an issued token (access, refresh, cookie, ticket) speaks for; expires."""
        return f"{self._prefix}token:{digest}"

    def socket(self, digest: str) -> str:
        """Return the key of a RingCentral WebSocket session, JSON; expires once its connection has ended."""
        return f"{self._prefix}socket:{digest}"

    def rate(self, scope: str, user: str) -> str:
        """Return the key that counts a user's requests in a scope; expires with its window."""
        return f"{self._prefix}rate:{scope}:{user}"
