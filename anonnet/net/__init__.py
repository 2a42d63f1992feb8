"""The world: sockets, waiting and the clock, around parties that know none of these."""
