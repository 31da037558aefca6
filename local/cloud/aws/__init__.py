"""AWS for the simulator: bindings (data), rules (pure functions) and the facts that both use."""
