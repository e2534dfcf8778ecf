"""Words and documents for people and programs: plans, diagnostics, events and results. Decides nothing."""
