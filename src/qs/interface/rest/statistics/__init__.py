"""Statistics over HTTP: syncs and validation for whoever drives them, figures and their pictures for whoever reads."""

from qs.interface.rest.statistics.duties import StatisticsDutyController
from qs.interface.rest.statistics.pictures import PictureController
from qs.interface.rest.statistics.reading import StatisticsController

route_handlers = (StatisticsDutyController, StatisticsController, PictureController)
