"""The processes: the tagger, its settings and metrics, and the services for a machine of one's own."""
