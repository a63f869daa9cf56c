"""The counter of what is billed counts right; the benches check themselves."""
