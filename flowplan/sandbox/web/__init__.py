"""The web page that a served sandbox shows to the person who started it: read only, on loopback, nothing from outside."""
