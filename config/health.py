"""Is the process alive (`/healthz`), and may it be sent visitors (`/readyz`)?"""

from datetime import datetime

import structlog
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from config.tasks import HEARTBEAT_INTERVAL, HEARTBEAT_KEY

log = structlog.get_logger(__name__)
Answer = dict[str, bool]
_migrated = False


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers; asks nothing else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when database and migrations are ready, with `?worker=1` broker and worker too."""
    answer = database_ready()
    if request.GET.get("worker"):
        answer |= worker_ready(now=timezone.now())
    ready = all(answer.values())
    return JsonResponse({"ready": ready, **answer}, status=200 if ready else 503)


def database_ready() -> Answer:
    """Does the database answer, and has it every migration this code knows?"""
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:  # migrations aren't undone under a running process: asked until true
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        log.warning("ready.database", error=type(error).__name__)
        return {"database": False, "migrations": False}
    return {"database": True, "migrations": _migrated}


def worker_ready(*, now: datetime) -> Answer:
    """Does the broker answer, and did a worker run beat's heartbeat in the last three intervals?"""
    try:
        beat = caches["strict"].get(HEARTBEAT_KEY)
    except (RedisError, OSError) as error:
        log.warning("ready.broker", error=type(error).__name__)
        return {"broker": False, "worker": False}
    age = now.timestamp() - beat if beat else float("inf")
    return {"broker": True, "worker": age < 3 * HEARTBEAT_INTERVAL.total_seconds()}
