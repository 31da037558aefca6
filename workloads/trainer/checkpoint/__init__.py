"""Checkpoints of a distributed run: written beside the training, published atomically, checked before use."""
