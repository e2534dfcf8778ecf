"""The simulated provider as a pure value: objects, the rules they obey, and `handle` to answer a request.

No clock, no randomness, no files: time and fresh ids are passed in, and what must be done to real processes is
handed out as effects.
"""
