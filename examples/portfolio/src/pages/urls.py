from django.urls import path

from .views import AboutView, ContactView, RobotsView, ThanksView

app_name = "pages"

urlpatterns = [
    path("about/", AboutView.as_view(), name="about"),
    path("contact/", ContactView.as_view(), name="contact"),
    path("contact/thanks/", ThanksView.as_view(), name="thanks"),
    path("robots.txt", RobotsView.as_view(), name="robots"),
]
