"""Answers in real time."""
