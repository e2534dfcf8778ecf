"""What is recorded: snapshots and journal, as pure values."""
