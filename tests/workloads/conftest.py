"""What runs in a training container is tested in the workloads' environment, the only one that has torch."""

from importlib.util import find_spec

if find_spec("torch") is None:
    # Not skipped one by one: the modules import torch, and so do those that they test.
    collect_ignore_glob = ["test_*.py"]
