"""Adapters of `flowplan.ports.Provider`: an HTTP client that never guesses, settings, and the Mithril API."""
