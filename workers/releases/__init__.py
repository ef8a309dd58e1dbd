"""What an operator does with releases, and what is said of them on `models.releases`."""
