"""Pictures of figures in a real browser: they load, follow the system's theme, and the policy refuses none of them."""

from collections.abc import Mapping

import pytest

from .conftest import Open, shot_to

pytestmark = pytest.mark.system


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_load_in_the_theme_of_the_system_and_run_nothing(
    open_page: Open, furnished: Mapping[str, str], service: str, complaints: list[str], theme: str
) -> None:
    page = open_page(furnished["plan"], dark=theme == "dark")
    for name in ("plan", "statistics"):
        page.goto(f"{service}/dashboard{furnished[name]}")
        images = page.locator("img.drawn")
        assert images.count() == 2
        for image in images.all():
            image.scroll_into_view_if_needed()
            page.wait_for_function("image => image.complete", arg=image.element_handle())
            assert image.evaluate("image => image.naturalWidth") == 864
            # So that nothing moves when it has come.
            assert image.evaluate("image => image.naturalHeight") == int(image.get_attribute("height") or 0)
            assert f"theme={theme}" in image.evaluate("image => image.currentSrc")
        if path := shot_to(f"pictures-{name}-{theme}"):
            page.screenshot(path=path, full_page=True)

    page.goto(images.first.evaluate("image => image.currentSrc"))

    assert page.locator("svg text").count() > 5
    assert complaints == []
