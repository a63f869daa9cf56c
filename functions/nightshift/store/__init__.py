"""Firestore and Cloud Storage. Each function is one whole atomic transition, named by its verb.

Firestore is authoritative for what we meant: who paid, which job is in which batch, how far a batch has come.
"""
