"""Event webhooks of a tenant, over HTTP."""

from qs.interface.rest.webhooks.controller import WebhookController
from qs.interface.rest.webhooks.deliveries import WebhookDeliveryController

route_handlers = (WebhookController, WebhookDeliveryController)
