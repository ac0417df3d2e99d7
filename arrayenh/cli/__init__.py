"""The rim: the command line."""
