"""A runbook for AWS Batch that you can run: diagnose, forecast and fix."""

__version__ = "0.1.0"
