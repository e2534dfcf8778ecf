"""flowplan: plan and apply GPU tasks, volumes and reservations from stack files."""

__version__ = "0.1.0"
