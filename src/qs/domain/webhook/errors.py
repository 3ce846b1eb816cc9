"""Why the webhook context says no. One class per cause."""

from qs.domain.kernel.errors import Absent, Invalid, Problem, QsError, Refused

MOST_ENDPOINTS = 20
"""How many endpoints a tenant may have."""


class WebhookAbsent(Absent):
    code = "webhook.absent"
    sentence = "there is no webhook endpoint of that id here; check the id"


class TooManyWebhooks(Refused):
    code = "webhook.too_many"
    sentence = (
        f"this tenant has {MOST_ENDPOINTS} webhook endpoints, which is as many as there may be, so no other was made; "
        "delete one, or let one endpoint take more events"
    )


class WebhookDisabled(Refused):
    code = "webhook.disabled"
    sentence = "the endpoint is disabled, so nothing can be sent to it again; enable it first"


class WebhookUrlRefused(Invalid):
    """The URL is none that qs would call."""

    code = "webhook.url_refused"
    sentence = "the URL is none that qs calls, so it was not stored; correct it"

    def __init__(self, detail: str) -> None:
        super().__init__([Problem("/url", detail)])


class EventFilterUnknown(Invalid):
    """A filter would never let an event through."""

    code = "webhook.filter_unknown"
    sentence = (
        "an event filter matches no event there is, so nothing was stored; see docs/events.md for their names"
    )

    def __init__(self, index: int) -> None:
        super().__init__(
            [
                Problem(
                    f"/events/{index}",
                    "must be the name of an event, such as TaskOpened or plan.TaskOpened, or match some with a * at "
                    "its end, such as plan.* or Task*",
                )
            ]
        )


class ReplayRangeUnclear(Invalid):
    """It is not said which deliveries are meant."""

    code = "webhook.replay_unclear"
    sentence = "it is not clear which deliveries to send again; name delivery_ids, or a range by since or until, or a status"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__([Problem(pointer, detail)])


class WebhookSecretsUnreadable(QsError):
    """No key of the ring opens them."""

    code = "webhook.secrets_unreadable"
    sentence = (
        "the secrets of this webhook endpoint cannot be read with the keys of QS_SECRET_KEY, so nothing can be signed; "
        "put the missing key back into QS_SECRET_KEY, or rotate the endpoint's secret"
    )
