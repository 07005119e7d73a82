"""The record: one append-only, hash-chained ledger that is the only state of a release."""
