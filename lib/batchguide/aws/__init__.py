"""The edge: the only place that talks to AWS."""
