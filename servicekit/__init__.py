"""What the services share: one concern per module, nothing of it global at import."""
