"""Parks, wakes and finds runs, and tells the world's time."""
