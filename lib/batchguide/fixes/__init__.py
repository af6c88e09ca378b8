"""Fixes as plans: what would be changed, why, and how it is undone."""
