import csv
from collections.abc import Iterator

import pytest

from components.accelerators import DATA, UnknownInstanceTypeError, catalogue, instance
from components.outputs import AcceleratorKind


def rows(file: str) -> Iterator[dict[str, str]]:
    with (DATA / file).open() as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


def test_local_disks_are_known_by_type() -> None:
    names = ("p5.48xlarge", "p4d.24xlarge", "g6e.xlarge", "inf2.xlarge")
    assert {name: instance(name).local_nvme_gb for name in names} == {
        "p5.48xlarge": 30400,
        "p4d.24xlarge": 8000,
        "g6e.xlarge": 250,
        "inf2.xlarge": 0,
    }


def test_every_row_of_the_table_is_in_the_catalogue_with_its_own_figures() -> None:
    wrong = [
        row["instance_type"]
        for row in rows("aws_instances.csv")
        if (found := instance(row["instance_type"])).vcpus != int(row["vcpus"])
        or found.memory_gib != int(row["memory_gib"])
        or found.accelerator_count != float(row["accelerator_count"])
        or (found.accelerator_model or "") != row["accelerator_model"]
    ]
    assert wrong == []
    assert len(catalogue()) == len(list(rows("aws_instances.csv")))


def test_every_type_has_network_cards_numbered_without_gaps_from_zero() -> None:
    wrong = [
        kind.name
        for kind in catalogue().values()
        if [card.index for card in kind.network_cards] != list(range(len(kind.network_cards))) or not kind.network_cards
    ]
    assert wrong == []


def test_every_card_row_belongs_to_a_known_type() -> None:
    assert {row["instance_type"] for row in rows("aws_network_cards.csv")} == set(catalogue())


def test_every_row_names_a_source_of_the_sources_page() -> None:
    page = (DATA / "SOURCES.md").read_text()
    named = {row["source"] for file in ("aws_instances.csv", "aws_network_cards.csv") for row in rows(file)}
    assert {source for source in named if f"| {source} |" not in page} == set()


@pytest.mark.parametrize(
    ("name", "model", "devices", "cards", "efa"),
    [
        ("p4d.24xlarge", "A100", 8, 4, 4),
        ("p5.48xlarge", "H100", 8, 32, 32),
        ("p5en.48xlarge", "H200", 8, 16, 16),
        ("p6-b200.48xlarge", "B200", 8, 8, 8),
        ("p6-b300.48xlarge", "B300", 8, 17, 16),
        ("g6e.48xlarge", "L40S", 8, 4, 4),
        ("trn1.32xlarge", "Trainium", 16, 8, 8),
        ("g6.xlarge", "L4", 1, 1, 0),
    ],
)
def test_the_types_people_train_on_have_the_published_counts(
    name: str, model: str, devices: int, cards: int, efa: int
) -> None:
    kind = instance(name)
    assert (kind.accelerator_model, kind.devices, len(kind.network_cards), kind.efa_interfaces) == (
        model,
        devices,
        cards,
        efa,
    )


def test_a_slice_of_a_gpu_is_one_device() -> None:
    kind = instance("g6f.large")
    assert (kind.accelerator_count, kind.devices) == (0.125, 1)


def test_a_cpu_type_has_no_accelerator() -> None:
    kind = instance("m7i.2xlarge")
    assert (kind.accelerator_kind, kind.devices, kind.vcpus, kind.memory_gib) == (AcceleratorKind.NONE, 0, 8, 32)


def test_the_first_card_of_p6_b300_takes_no_efa() -> None:
    first, second, *_ = instance("p6-b300.48xlarge").network_cards
    assert first.interface_types == {"interface"}
    assert not first.efa
    assert second.efa


def test_an_unknown_type_names_what_was_probably_meant() -> None:
    with pytest.raises(UnknownInstanceTypeError) as caught:
        instance("p5.48xlarg")
    assert "p5.48xlarge" in caught.value.near
    assert "'p5.48xlarg'" in str(caught.value)


def test_a_type_like_no_other_is_refused_with_the_place_to_look() -> None:
    with pytest.raises(UnknownInstanceTypeError, match=r"aws_instances\.csv"):
        instance("zzz.huge")
