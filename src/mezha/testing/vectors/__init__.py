"""Golden vectors: streams of each framing and what they mean, in files that any language can read.

One file for each framing, ``mezha/testing/vectors/NAME.json``. Bytes are written in hexadecimal::

    {
      "framing": "lines",
      "specification": "who defined it, and where",
      "about": "what the message is",
      "vectors": [
        {
          "name": "the stream ends inside a line",
          "form": "lines",                  the framing, in its string form (mezha.parse_framing)
          "limit": 1048576,                 the largest message that is taken, in bytes
          "stream": "6f6e650a7477",
          "messages": ["6f6e65"],           what comes out of it, in this order, however it was cut
          "then": "TruncatedMessage",       what comes behind them when the stream ends there
          "rest": "7477",                   what is left of it then
          "skipped": 0,                     how many of its bytes belong to no message, and may stand there
          "forgiven": [],                   the faults that a framing passes over that forgives, by the names below
          "dropped": 0,                     how many bytes were lost to them
          "encodes": false                  whether these messages, written one behind the other, are this stream
        }
      ],
      "refused": [
        {"name": "a line feed inside", "form": "lines", "message": "6f6e650a74776f"}
      ]
    }

``then`` is one of

- ``end``: nothing is left; the stream may end there;
- ``TruncatedMessage``: a message has begun, nothing is wrong with it so far, and the stream ends inside it;
- ``FramingError``: what follows cannot be a message, whatever comes behind it;
- ``MessageTooLarge``: what follows is a message over the limit.

An error is known from no more than these bytes, before the stream ends. ``rest``, ``skipped``, ``forgiven``,
``dropped`` and ``encodes`` are left out where they are empty, 0 and false. What is ``refused`` is a message that cannot
be sent in that framing.
"""

from mezha.testing.vectors.reading import Golden, Refusal, Vector, check_vectors, golden, golden_names

__all__ = ["Golden", "Refusal", "Vector", "check_vectors", "golden", "golden_names"]
