"""Reads observations where they lie, as window summaries; rows leave only as samples."""
