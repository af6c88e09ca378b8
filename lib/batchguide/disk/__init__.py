"""The forecast: how an AWS Batch container instance uses and frees its disk."""
