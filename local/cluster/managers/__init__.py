"""Real controllers of a simulated cluster: each runs here exactly while the program's release of it is there."""
