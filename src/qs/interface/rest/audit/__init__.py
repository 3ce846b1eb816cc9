"""The audit log, over HTTP."""

from qs.interface.rest.audit.controller import AuditController

route_handlers = (AuditController,)
