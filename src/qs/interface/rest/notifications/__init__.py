"""The delivery ledger, over HTTP."""

from qs.interface.rest.notifications.alerts import AlertController
from qs.interface.rest.notifications.controller import NotificationController
from qs.interface.rest.notifications.grants import GrantController
from qs.interface.rest.notifications.reports import report_bounce, report_receipts
from qs.interface.rest.notifications.templates import TemplateController

route_handlers = (
    NotificationController,
    AlertController,
    GrantController,
    TemplateController,
    report_bounce,
    report_receipts,
)
