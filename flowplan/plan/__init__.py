"""Planning: pure functions from what is desired, recorded and observed to a plan, which is a value."""
