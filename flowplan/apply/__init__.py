"""Running a plan through ports, so that nothing is orphaned, doubled or lost (apply-protocol.md)."""
