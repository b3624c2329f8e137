"""How results are made and kept: a typed step, the store, a queue of workers, the channel for progress."""
