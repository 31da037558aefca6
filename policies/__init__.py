"""What may be built and what it costs: one reading of the resource graph, rules over it, prices for it."""
