"""Brings Cloud Scheduler and Pub/Sub to what the table of functions declares: `./nightshift schedules --help`."""

import sys
from pathlib import Path

# The table lies with the functions. So the command runs from a checkout as it is, without PYTHONPATH.
sys.path.append(str(Path(__file__).parents[1] / "functions"))
