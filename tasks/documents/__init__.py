"""Writes what a release leaves behind: model card, deployment record, evidence pages and packets.

A document is data first, built from ledger entries and the artefact; every field says where it
came from. What nobody has provided is shown and counted as missing, never papered over.
"""
