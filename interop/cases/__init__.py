"""The cases, by what they look at."""
