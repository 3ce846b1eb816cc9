"""Statistics: figures by window and by date, and whether they are what the tasks say."""

from qs.interface.dashboard.statistics.checking import bring_up_to_date, check_figures
from qs.interface.dashboard.statistics.figures import daily_csv, statistics_page
from qs.interface.dashboard.statistics.pictures import picture

statistics_pages = (statistics_page, daily_csv, picture, bring_up_to_date, check_figures)
