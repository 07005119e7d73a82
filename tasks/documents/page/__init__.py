"""The release page: a release's ledger entries as one HTML file that needs nothing else.

Entries become a value (``page.py``), the value becomes HTML (``rendering.py``). Charts are
inline SVG, drawn by pure functions and told again as tables.
"""
