"""The site's addresses with a refusal page that only looks as if it worked."""

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.csrf import csrf_exempt

from config import urls


@csrf_exempt
def does_nothing(request: HttpRequest, token: str) -> HttpResponse:
    """A page that says yes to everything."""
    return HttpResponse("Done")


urlpatterns: list[URLPattern | URLResolver] = [
    path("unsubscribe/<str:token>/", does_nothing),
    path("", include(urls.urlpatterns)),
]
