"""Fixtures that all tests share: the browser, a whole running site, published policies."""

pytest_plugins = [
    "tests.plugins.browser",
    "tests.plugins.examples",
    "tests.plugins.live",
    "tests.plugins.passwords",
    "tests.plugins.policies",
    "tests.plugins.smtp",
]
