"""The providers of answers. Each file speaks one provider's API; `base.py` says what all of them offer."""
