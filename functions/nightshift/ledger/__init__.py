"""Tokens: the wallet, its entries, refunds, grants, and what one user may have."""
