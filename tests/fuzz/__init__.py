"""Fuzzing: arbitrary inputs, sent to the real functions over the real emulators.

A kind of input has a file of its own. Many inputs share a world, since a world takes longer to build than an input to
play; each example ends with a well-formed job of another user, which must be answered whatever came before.
"""
