pytest_plugins = ("ethogram.plugin",)
