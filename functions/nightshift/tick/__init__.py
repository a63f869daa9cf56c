"""The tick and its duties."""
