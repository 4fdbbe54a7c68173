"""The whole main job on this machine, on a study whose truth is known."""
