"""What is allowed. Pure: knows no engine, no vendor and no clock."""
