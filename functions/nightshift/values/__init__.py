"""Plain values that every room may use: ids, lanes, statuses, speeds, usage, outcomes. No clock, no I/O."""
