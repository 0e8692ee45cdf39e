"""The test kit: what makes the rare cut happen in a test, every time."""
