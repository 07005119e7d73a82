"""People, clocks and learning: the incident, its timeline and the draft of its post-mortem.

Everything here is a view of the ledger. What only people know is asked, never invented.
"""
