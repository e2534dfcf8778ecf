"""Where prices come from besides the user's own bids: other bidders drawn from a seed, or a recorded series."""
