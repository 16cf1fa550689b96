//! What `[cache]` keeps of a Django site, and for whom.

mod people;
mod suite;

use hotclub_testkit::{Project, Python};

/// A site with a page for everybody, one with a form, one that says who is there, and a way to log in.
const VIEWS: &str = r#"
import itertools
from django.contrib.auth import authenticate, get_user_model, login
from django.http import HttpResponse, HttpResponseRedirect
from django.template import engines
from django.urls import path
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
import os, pathlib, uuid

FORM = "<form method=post>{% csrf_token %}<input name=text></form>{{ number }}"

def number():
    return uuid.uuid4().hex

def home(request):
    return HttpResponse(number())

def who(request):
    name = request.user.get_username() or "nobody"
    return HttpResponse(f"{name} {number()}")

def form(request):
    if request.method == "POST":
        return HttpResponseRedirect("/thanks/")
    page = engines["django"].from_string(FORM)
    return HttpResponse(page.render({"number": number()}, request))

@csrf_exempt
def enter(request):
    name = request.POST["name"]
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect("/who/")

@cache_control(public=True, max_age=600)
def shared(request):
    return HttpResponse(number(), headers={"Cache-Tag": "shared"})

def broken(request):
    if pathlib.Path(os.environ["SWITCH"]).exists():
        raise RuntimeError("out of order")
    return HttpResponse(number(), headers={"Cache-Control": "max-age=0, stale-if-error=600"})

urlpatterns = [
    path("", home), path("who/", who), path("form/", form), path("enter/", enter),
    path("shared/", shared), path("broken/", broken),
]
"#;

/// A project with these views and this `[cache]`.
fn site(python: &Python, cache: &str) -> Project {
    let project = Project::startproject(python, "mysite", &[]);
    project
        .write("mysite/urls.py", VIEWS)
        .append(
            "mysite/settings.py",
            "DEBUG = False\nALLOWED_HOSTS = [\"*\"]\n",
        )
        .write("hotclub.toml", &format!("[cache]\n{cache}\n"));
    project
}
