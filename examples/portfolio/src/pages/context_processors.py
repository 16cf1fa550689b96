from django.utils.functional import SimpleLazyObject

from .models import Profile


def profile(request):
    """The artist's name for the head of every page; asked for only where a template shows it."""
    return {"profile": SimpleLazyObject(Profile.load)}
