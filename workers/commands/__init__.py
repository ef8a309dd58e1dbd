"""The commands of `rpbert`, one a module, loaded when they are called."""
