"""Planning: what a policy would do with a given traffic, by simulating releases under it.

Days and requests are drawn, and weighed and judged by the functions that a release calls. Nothing
here reads a clock, a ledger or a telemetry source; randomness comes from a seed.
"""
