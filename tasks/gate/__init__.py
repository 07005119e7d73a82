"""Puts the policies' questions, so that every decision is a node of the release's graph."""
