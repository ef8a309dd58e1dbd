"""The commands of `rpbert`, one a module: flags and help; what they run is imported when they run."""
