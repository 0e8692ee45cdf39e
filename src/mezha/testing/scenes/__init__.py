"""Scenes of the mezha protocol: what a side must do when its peer and its program do this and that, for any language.

One file for each part of ``docs/protocol.md``, ``mezha/testing/scenes/NAME.json``; that page says what they hold. A
scene is played on a *side*, the implementation under test, without a network: bytes come in and go out, and time is
what the scene says. ``check_scenes`` does that with any ``Side``.
"""

from mezha.testing.scenes.drawing import draw
from mezha.testing.scenes.playing import Side, check_scenes, play
from mezha.testing.scenes.reading import Scene, Step, scene_names, scenes

__all__ = ["Scene", "Side", "Step", "check_scenes", "draw", "play", "scene_names", "scenes"]
