"""Fixtures that all tests share: the browser, a whole running site, published policies."""

from importlib.util import find_spec

pytest_plugins = ["tests.plugins.browser", "tests.plugins.live"]
if find_spec("tests.plugins.policies"):
    pytest_plugins.append("tests.plugins.policies")
