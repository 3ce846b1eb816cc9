"""One successful call of every mutating route about webhooks."""

from .recorder import Recorder

WEBHOOKS = "/api/v1/webhooks"


async def call_webhooks(rec: Recorder) -> None:
    body = {"name": "study", "url": "https://study.invalid/qs", "events": ["plan.*"]}
    made = await rec.call(f"POST {WEBHOOKS}", body)
    which = {"webhook_id": made.json()["data"]["id"]}
    one = f"{WEBHOOKS}/{{webhook_id}}"
    await rec.call(f"PATCH {one}", {"name": "another"}, **which)
    await rec.call(f"POST {one}/rotate-secret", {"overlap_hours": 1}, **which)
    await rec.call(f"POST {one}/test", **which)
    await rec.call(f"POST {one}/replay", {"status": "dead"}, **which)
    await rec.call(f"DELETE {one}", **which)
