"""The worker portal's stand-in: what waits for workers, and how it is answered."""
