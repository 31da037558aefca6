"""The small program between the agent and one process of a pod; imports little, because every start pays for it."""
