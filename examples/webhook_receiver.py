"""A webhook receiver to start with: verifies each delivery and prints it.

    pip install aiohttp standardwebhooks
    WEBHOOK_SECRET=whsec_… python examples/webhook_receiver.py

A delivery may come twice (with the same webhook-id): real receivers remember the ids they have handled.
"""

from __future__ import annotations

import os

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])


async def receive(request: web.Request) -> web.Response:
    """Answer 204 for a genuine delivery, 401 for anything else."""
    try:
        event = webhook.verify(await request.text(), dict(request.headers.items()))
    except (WebhookVerificationError, ValueError):  # the latter for a signature of no known form
        return web.Response(status=401)
    print(request.headers["webhook-id"], event["type"], event.get("user_extension", ""), flush=True)
    return web.Response(status=204)


app = web.Application()
app.router.add_post("/", receive)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=9000)
