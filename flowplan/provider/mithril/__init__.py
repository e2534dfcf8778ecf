"""The Mithril Compute API v2: its wire shapes, and the mapping between them and a kind's attributes, both ways."""
