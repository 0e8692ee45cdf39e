"""How fast mezha is beside what else a Python program can send messages with: ``python -m benchmarks``."""
