"""The mezha protocol: messages with a life around them. One small machine a file; no I/O, no clock.

``docs/protocol.md`` is its specification.
"""
