import re

from components import versions


def test_every_chart_is_pinned_exactly_and_says_where_the_version_was_seen() -> None:
    loose = {
        name
        for name, chart in versions.CHARTS.items()
        if not re.fullmatch(r"v?\d+\.\d+\.\d+", chart.version) or not chart.source or chart.name != name
    }
    assert loose == set()


def test_no_image_floats() -> None:
    assert {image for image in versions.IMAGES.values() if ":" not in image or image.endswith(":latest")} == set()


def test_kubernetes_is_a_minor_version_as_eks_takes_it() -> None:
    assert re.fullmatch(r"1\.\d\d", versions.KUBERNETES)
