"""What it costs and how fast it is: one file per question; `python -m bench` asks them all."""
