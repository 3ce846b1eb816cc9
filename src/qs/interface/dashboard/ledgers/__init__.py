"""Ledgers: messages with their attempts, events, alerts, and who did what."""

from qs.interface.dashboard.ledgers.audit import audit_page
from qs.interface.dashboard.ledgers.events import events_page, replay_events
from qs.interface.dashboard.ledgers.messages import message_page, messages_page, replay_message, replay_range

ledger_pages = (
    messages_page,
    replay_range,
    message_page,
    replay_message,
    events_page,
    replay_events,
    audit_page,
)
