"""What failures cost a training run: Young and Daly's interval, the time lost per failure, and the ETTR that follows.

Definitions:
    ETTR, effective training time ratio: productive time over wall time of a run, from its first attempt to its end.
        Steps that have to be computed again, stalls of checkpoints, restarts and waiting between attempts are not
        productive. (Kokolis et al., Revisiting Reliability in Large-Scale Machine Learning Research Clusters,
        arXiv:2410.21680, section II; goodput is used for the same ratio by others.)
    MTBF, mean time between failures of the whole job while it runs. Llama 3 saw 419 unexpected interruptions in 54 days
        on 16,384 GPUs: 3.1 h (arXiv:2407.21783, section 3.3.4).
"""

import math
from dataclasses import dataclass

LLAMA3_MTBF_HOURS = 54 * 24 / 419


def young_daly_seconds(save_seconds: float, mtbf_seconds: float) -> float:
    """The interval between checkpoints that loses the least time, to first order: sqrt(2 * save time * MTBF).

    Source: Young, A first order approximation to the optimum checkpoint interval, CACM 17(9), 1974, equation 3; Daly,
    FGCS 22(3), 2006, gives the higher-order form, which differs by less than 5 % while the save time stays below a
    hundredth of the MTBF. The save time of an asynchronous checkpoint is taken whole, although training goes on beside
    it: until it is published a failure loses it, and it takes bandwidth that the training wants.

    Raises:
        ValueError: one of the two is not positive.
    """
    for name, value in (("save time", save_seconds), ("MTBF", mtbf_seconds)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"the {name} is {value} s; Young-Daly needs a positive number of seconds")
    return math.sqrt(2 * save_seconds * mtbf_seconds)


@dataclass(frozen=True, kw_only=True)
class FailureCost:
    """Seconds that one failure takes, in the order in which they pass.

    Attributes:
        detect: from the failure until somebody notices: heartbeat, watchdog, or the process's own exit.
        reschedule: until the new pods are bound to nodes.
        restart: until the trainer has read its checkpoint.
        replay: until it has computed again what the failure threw away.
    """

    detect: float
    reschedule: float
    restart: float
    replay: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value} s; a failure takes zero or more seconds of each kind")

    @property
    def downtime(self) -> float:
        """Seconds in which nothing is trained."""
        return self.detect + self.reschedule + self.restart

    @property
    def total(self) -> float:
        """Seconds lost."""
        return self.downtime + self.replay


def expected_replay_seconds(interval_seconds: float, save_seconds: float) -> float:
    """Work that a failure at a random moment throws away: half an interval, and the save that was not yet published."""
    return interval_seconds / 2 + save_seconds


def ettr(
    cost: FailureCost, *, mtbf_seconds: float, interval_seconds: float = math.inf, stall_seconds: float = 0
) -> float:
    """Expected ETTR of a long run, between 0 and 1.

    One cycle is `mtbf_seconds` of running and the downtime of one failure. Of the running, the replay is work done
    twice, and every interval carries one stall of a checkpoint:
    ETTR = (MTBF - replay) / (MTBF + downtime) * interval / (interval + stall).

    Args:
        cost: of one failure.
        mtbf_seconds: of the whole job while it runs.
        interval_seconds: between checkpoints.
        stall_seconds: that one checkpoint keeps the training loop waiting.

    Raises:
        ValueError: the MTBF or the interval is not positive.
    """
    if not mtbf_seconds > 0:
        raise ValueError(f"the MTBF is {mtbf_seconds} s; it has to be positive")
    if not interval_seconds > 0:
        raise ValueError(f"the interval between checkpoints is {interval_seconds} s; it has to be positive")
    productive = max(0.0, mtbf_seconds - cost.replay)
    undisturbed = 1.0 if math.isinf(interval_seconds) else interval_seconds / (interval_seconds + stall_seconds)
    return productive / (mtbf_seconds + cost.downtime) * undisturbed
