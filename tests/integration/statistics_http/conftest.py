from tests.integration.plan_http.conftest import api, app, caller, neighbour, platform, stranger
from tests.integration.statistics.conftest import redis, truth, ward

__all__ = ["api", "app", "caller", "neighbour", "platform", "redis", "stranger", "truth", "ward"]
