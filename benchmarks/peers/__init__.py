"""The peers: a plug-in each, found by being here. Its docstring states the settings it is measured with."""
