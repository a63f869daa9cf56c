"""Crashes and errors at every external call of a journey: none picked by hand, each reproducible alone."""
