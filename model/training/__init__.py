"""Training by the paper's Algorithm 1; `run.train` is the way in.

Nothing is imported here: the command line reads `settings` and need not wait for torch.
"""
