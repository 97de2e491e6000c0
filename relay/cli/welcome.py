"""What a person sees when the service has started."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from relay.app import Relay, Supervisor

_DEMO_USERS = (
    ("jane", "210", "15000", "agent", "demo-jane"),
    ("john", "200", "15002", "agent", "demo-john"),
    ("alex", "220", "15003", "agent", "demo-alex"),
    ("admin", "", "", "admin", "demo-admin"),
)

_DIAL = (
    '\'{"command": "click-to-dial", "user": {"tenant_id": "b11d749b-8eb7-4236-a068-3d94ba3860d6", '
    '"user_extension": "210"}, "payload": {"destination": "200"}}\''
)


def greet(console: Console, relay: Relay | Supervisor, *, demo_users: bool) -> None:
    """Say where the service listens and, with the demo directory, as whom it can be used."""
    console.print(
        f"[bold]relay[/] listens on [bold]{relay.url}[/]; operations on {relay.admin_url}", highlight=False
    )
    console.print(f"store: {relay.store_description}", highlight=False)
    if demo_users:
        table = Table("user", "ext.", "number", "role", "bearer token", title="demo users (password: demo)")
        for row in _DEMO_USERS:
            table.add_row(*row)
        console.print(table)


def go_on(console: Console, relay: Relay | Supervisor) -> None:
    """Offer three lines to go on with. Printed unwrapped, so that they can be copied."""
    console.print("\nStill serving; Ctrl-C ends it. To go on:", style="cyan", highlight=False)
    dial = (
        'curl -H "Authorization: Bearer demo-jane" -H "Content-Type: application/json" '
        f"-d {_DIAL} {relay.url}/v3/call_control/"
    )
    for line in (
        f'curl -N -H "Authorization: Bearer demo-admin" {relay.url}/v3/events/stream',
        dial,
        f'curl -u jane:demo "{relay.url}/api/v2/me/calls?fields=*"',
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
