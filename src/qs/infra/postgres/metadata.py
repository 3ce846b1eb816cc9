"""The one MetaData that every table of qs belongs to."""

from sqlalchemy import MetaData

metadata = MetaData()
