"""The letters that laws about texts are tried with.

Chosen by hand: plain ones, and those that break things (quotes, markup, control characters, marks
that combine or turn the direction, letters beyond 16 bits). Hypothesis' table of all of Unicode
takes longer to build than all pure tests to run.
"""

LETTERS = (
    "abcXYZ019 .,:;-_+=/\\|'\"`~!?@#$%^&*()[]{}<>"
    "\n\r\t\x00\x1b\x7f\x85\xa0"
    "äßéçñøŁžДяאب中あ한०½Ⅷ‰€"
    "e\u0301\u200b\u200d\u202e\u2028\ufeff\ufffd\uffff🚢👩\U0010ffff"
)
