"""What pyproject.toml cannot say: which part of mezha is compiled, and whether it has to be.

``MEZHA_BUILD=native`` makes it an error if it cannot be compiled: use it for releases. ``MEZHA_BUILD=pure`` leaves it
out. Without either it is compiled if that works, and mezha runs in plain Python otherwise.
"""

import os

from setuptools import Extension, setup

wanted = os.environ.get("MEZHA_BUILD", "")
if wanted not in ("", "native", "pure"):
    raise SystemExit(f"MEZHA_BUILD is 'native' or 'pure', or not set at all; it is {wanted!r}")

#: The blocking flavour's is for POSIX systems: it has their threads and flags.
names = ["framing", "blocking"] if os.name == "posix" else ["framing"]
native = [Extension(f"mezha.{name}._native", [f"src/mezha/{name}/_native.pyx"], optional=not wanted) for name in names]

setup(
    ext_modules=[] if wanted == "pure" else native,
    options={"build_ext": {"cython_c_in_temp": "1"}},
)
