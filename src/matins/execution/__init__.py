"""Running jobs: the port the dispatcher talks to, and what stands behind it."""
