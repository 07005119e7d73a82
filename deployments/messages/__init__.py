"""Every message Seatrial sends, shown as Slack shows it: the reference page and its pictures."""
