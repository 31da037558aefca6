"""How long a container that ended waits for its next start: a kubelet's rule."""

from dataclasses import dataclass, field

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
RESET_SECONDS = 2 * LONGEST_SECONDS
"""Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, "Container restart policy" (10 s, 20 s, 40 s, …,
capped at five minutes, reset after ten minutes), and client-go's ``flowcontrol.Backoff`` in ``doBackOff``."""


@dataclass
class Backoff:
    """Delays by key; times are seconds of one clock."""

    _entries: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Delay and moment of the last use."""

    def waits_until(self, key: str, ended: float, now: float) -> float | None:
        """When something that ended at ``ended`` may start again; None: now."""
        entry = self._entries.get(key)
        if entry is None or now - entry[1] > RESET_SECONDS:
            return None
        until = ended + entry[0]
        return until if now < until else None

    def delay(self, key: str) -> float:
        """The present delay in seconds."""
        return self._entries.get(key, (0.0, 0.0))[0]

    def used(self, key: str, now: float) -> None:
        """It starts again now: the next delay is twice as long, or the first one after a long quiet time."""
        entry = self._entries.get(key)
        fresh = entry is None or now - entry[1] > RESET_SECONDS
        delay = FIRST_SECONDS if fresh or entry is None else min(2 * entry[0], LONGEST_SECONDS)
        self._entries[key] = (delay, now)


def words(seconds: float) -> str:
    """A delay as Go prints it: ``10s``, ``1m20s``, ``5m0s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
