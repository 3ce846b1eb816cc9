"""The table of channels."""

import importlib
from datetime import timedelta
from typing import get_args

import pytest
from msgspec.structs import fields

from qs.infra.notification.channels.choosing import KINDS, make_channels
from qs.infra.notification.channels.kit import Kit
from qs.settings.sections import NotificationSettings
from tests.integration.notification.channels.conformance import ChannelConformance

NAMES = [kind.name for kind in KINDS]
# Nothing arrives anywhere, so there is nobody to ask what did.
HANDS_NOTHING_OVER = {"null"}


def test_every_channel_has_a_name_of_its_own_that_the_settings_know():
    [field] = [each for each in fields(NotificationSettings) if each.name == "channels"]
    listed = get_args(get_args(field.type)[0])[0]

    assert sorted(get_args(listed)) == sorted(set(NAMES))
    assert len(set(NAMES)) == len(KINDS)


@pytest.mark.parametrize("name", sorted(set(NAMES) - HANDS_NOTHING_OVER))
def test_every_channel_is_held_to_what_channels_promise(name):
    module = importlib.import_module(f"tests.integration.notification.channels.test_{name}")

    suites = [each for each in vars(module).values() if isinstance(each, type)]
    assert any(issubclass(each, ChannelConformance) and each.__name__.startswith("Test") for each in suites)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_set_up_is_not_there_and_the_log_always_is(client, name):
    made = make_channels([name], Kit(client, timedelta(seconds=1)))

    assert made.keys() in ({"log"}, {"log", "null"})
