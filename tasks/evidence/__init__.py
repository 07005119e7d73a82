"""The statistics every room may stand on: additive summaries, and how they are weighed.

Pure functions over frozen values: no clock, no randomness, no adapters. What a number may be
believed for is written where it is computed.
"""
