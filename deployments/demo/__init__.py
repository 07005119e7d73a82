"""The demo world: a year of real departures from New York, replayed for models of delay."""
