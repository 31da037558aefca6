"""How the nodes of a pool are shared out between teams: whole nodes, exactly, and the same way every time.

Whole nodes, because GPUs, memory, fabric interfaces and huge pages of a node are of use together only: quotas in other
proportions leave one of them over that nobody can have.
"""

from collections.abc import Mapping
from fractions import Fraction


def divide(nodes: int, weights: Mapping[str, int], limits: Mapping[str, int]) -> dict[str, int]:
    """Nodes for each name, in proportion to the weights and never above its limit; what is left over stays with nobody.

    Node by node, each to the name with the largest ``weight / (2 * nodes it has + 1)`` (Sainte-Laguë: no name is
    favoured for being large or small); among equals, to the first in the mapping's order.

    Args:
        nodes: How many there are.
        weights: Claims; a name with weight 0 gets nothing.
        limits: The most that each name may get, in nodes.
    """
    given = dict.fromkeys(weights, 0)
    for _ in range(nodes):
        open_names = [name for name, weight in weights.items() if weight > 0 and given[name] < limits[name]]
        if not open_names:
            break
        # max() keeps the first of equals.
        given[max(open_names, key=lambda name: Fraction(weights[name], 2 * given[name] + 1))] += 1
    return given
