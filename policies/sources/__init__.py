"""What a resource graph can be read from; every reader hides secrets and keeps unknown values unknown."""
