"""Settings, urls, Celery, embedded servers, the front page and hubs, `demo`, `prove`."""
