"""Coverage-guided fuzzing of mezha: ``python -m fuzz`` looks for the bytes that break a promise.

A target is a module in ``targets/`` with a function ``check(data)``, which raises if the promise in its first lines is
broken, and perhaps a kept corpus, ``corpus/NAME.txt``. To add one, add the module: the command and the tests find it.
"""
