"""Tells people: one calm message a stage, one clear page an incident, in a thread a release.

``message`` words them and lays them out for Slack; the adapters deliver to Slack, or to the
console and an outbox folder when there is no workspace.
"""
