import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.naming import Service, physical_name

WORDS = st.text(st.sampled_from("abcXYZ019-_./ é"), max_size=80)


@given(service=st.sampled_from(Service), words=st.lists(WORDS, min_size=1, max_size=5))
def test_a_name_is_always_within_the_limit_and_the_alphabet_of_its_service(service: Service, words: list[str]) -> None:
    try:
        name = physical_name(service, *words)
    except ValueError as error:
        assert "allowed are characters" in str(error)  # noqa: PT017 -- both ends of the property are checked here
        return
    assert 1 <= len(name) <= service.value.length
    assert re.fullmatch(rf"[{service.value.allowed}]+", name)
    assert name == physical_name(service, *words)


def test_a_short_name_is_joined_with_hyphens_in_lower_case() -> None:
    assert physical_name(Service.EKS_CLUSTER, "Slipway", "local", "", "main") == "slipway-local-main"


def test_two_long_names_that_differ_at_the_end_stay_different() -> None:
    one, other = (physical_name(Service.S3_BUCKET, "x" * 80, end) for end in ("one", "two"))
    assert one != other
    assert len(one) == 63
    assert one.startswith("x" * 55 + "-")


def test_room_for_a_provider_suffix_is_left_free() -> None:
    assert len(physical_name(Service.IAM_ROLE, "r" * 100, random_suffix=8)) == 56


def test_a_bucket_name_has_neither_underscores_nor_slashes() -> None:
    assert physical_name(Service.S3_BUCKET, "my_team/data") == "my-team-data"


def test_a_name_of_nothing_allowed_is_refused_with_the_alphabet() -> None:
    with pytest.raises(ValueError, match=r"no name for S3_BUCKET .*\[a-z0-9-\]"):
        physical_name(Service.S3_BUCKET, "éé")
