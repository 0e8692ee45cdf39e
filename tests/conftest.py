"""How the tests are run: the Hypothesis profiles, and the laws with their asserts explained."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A shell that runs the tests in the background has them ignore SIGINT, and the programs they start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("docs_blocks", "mezha.testing.conformance", "mezha.testing.laws")

# A law tries every cut of each example, so a few dozen examples are thousands of streams.
# And where mutmut runs the tests again in the same process, those that classes inherit seem to have changed hands.
FINE = [HealthCheck.too_slow, HealthCheck.differing_executors]
settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=FINE)
settings.register_profile("ci", settings.get_profile("default"), max_examples=25, derandomize=True)
settings.register_profile("light", settings.get_profile("ci"), max_examples=10)  # once more, elsewhere
settings.register_profile("few", settings.get_profile("ci"), max_examples=3)  # only to see what is reached
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
