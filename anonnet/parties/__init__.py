"""Who acts: one class per party, one handler per step, run in turns. No clock, no socket, no waiting."""
