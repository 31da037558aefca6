"""The parallelism spec: a shape that cannot run is refused with one sentence that says what would."""

import pytest

from workloads.parallelism import Parallelism, Schedule, problems


@pytest.mark.parametrize(
    ("parallelism", "nodes", "per_node"),
    [
        (Parallelism(), 1, 1),
        (Parallelism(), 4, 8),
        (Parallelism(replicas=-1, shards=1), 3, 1),
        (Parallelism(replicas=4, shards=8), 4, 8),
        (Parallelism(tensor=8, pipeline=4), 16, 8),
        (Parallelism(shards=1, pipeline=2, schedule=Schedule.GPIPE), 2, 1),
    ],
)
def test_a_shape_whose_product_is_the_number_of_processes_has_no_problem(
    parallelism: Parallelism, nodes: int, per_node: int
) -> None:
    assert problems(parallelism, nodes, per_node) == []


@pytest.mark.parametrize(
    ("parallelism", "nodes", "per_node", "words"),
    [
        (Parallelism(replicas=2, shards=2), 1, 2, "replicas 2 x shards 2 x tensor 1 x pipeline 1 = 4, but there are"),
        (Parallelism(pipeline=2), 3, 1, "pipeline 2 = 2 does not divide 3 nodes x 1 processes = 3, so -1 cannot"),
        (Parallelism(tensor=16), 2, 8, "parallelism.tensor is 16 with 8 processes per node"),
        (Parallelism(tensor=3), 3, 4, "choose a divisor of 4"),
        (Parallelism(replicas=-1), 1, 4, "both -1"),
        (Parallelism(tensor=0), 1, 4, "parallelism.tensor is 0, must be at least 1"),
        (Parallelism(shards=-2), 1, 4, "parallelism.shards is -2, must be -1 or at least 1"),
        (Parallelism(), 0, 4, "nodes is 0, must be at least 1"),
        (Parallelism(), 1, 0, "processes per node is 0"),
    ],
)
def test_a_shape_that_cannot_run_gets_one_clear_sentence(
    parallelism: Parallelism, nodes: int, per_node: int, words: str
) -> None:
    found = problems(parallelism, nodes, per_node)
    assert len(found) == 1, found
    assert words in found[0]


def test_what_is_left_goes_to_the_open_degree() -> None:
    assert Parallelism(tensor=8, pipeline=4).resolved(128).shards == 4, "128 / (8 x 4)"
    assert Parallelism(replicas=-1, shards=8).resolved(32).replicas == 4, "32 / 8"
    assert Parallelism().resolved(1).world_size == 1, "one process is a valid shape"


def test_a_shape_that_does_not_fit_is_not_resolved() -> None:
    with pytest.raises(ValueError, match="there are 1 nodes x 3 processes = 3"):
        Parallelism(replicas=2, shards=1).resolved(3)


def test_a_spec_reads_as_its_degrees() -> None:
    assert str(Parallelism(tensor=8, pipeline=4)) == "shards rest x tensor 8 x pipeline 4", "-1 reads as a word"
    assert str(Parallelism(shards=1)) == "one process", "degrees of 1 are not worth reading"
