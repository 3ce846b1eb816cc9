"""Webhook endpoints that get the organisation's events, and what each was sent."""

from qs.interface.dashboard.webhooks.endpoints import (
    create_webhook,
    delete_webhook_page,
    do_with_webhook,
    webhook_page,
    webhooks_page,
)

webhook_pages = (webhooks_page, create_webhook, webhook_page, delete_webhook_page, do_with_webhook)
