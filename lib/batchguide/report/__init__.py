"""Runbooks executed into files: notebook, page and findings."""
