"""Event logs read for the report, and made up for its measurement."""
