"""Widgets: a second way to call the same functions."""
