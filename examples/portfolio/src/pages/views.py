"""About, contact, and the page for robots."""

import logging
from smtplib import SMTPException

from django.contrib import messages
from django.core.mail import EmailMessage
from django.urls import reverse, reverse_lazy
from django.views.generic import FormView, TemplateView

from .forms import ContactForm
from .models import Profile

logger = logging.getLogger(__name__)


class AboutView(TemplateView):
    template_name = "pages/about.html"


class ContactView(FormView):
    template_name = "pages/contact.html"
    form_class = ContactForm
    success_url = reverse_lazy("pages:thanks")

    def form_valid(self, form):
        if not form.is_from_a_program:
            self.deliver(form.save())
            messages.success(self.request, f"Your message is on its way, {form.instance.name}.")
        return super().form_valid(form)

    def deliver(self, message):
        """Mails the message; one that cannot be mailed still waits in the admin."""
        mail = EmailMessage(
            subject=f"A message from {message.name}",
            body=message.text,
            to=[Profile.load().inbox],
            reply_to=[message.email],
        )
        try:
            mail.send()
        except (OSError, SMTPException):
            logger.exception("message %s was kept, but could not be mailed", message.pk)


class ThanksView(TemplateView):
    template_name = "pages/thanks.html"


class RobotsView(TemplateView):
    template_name = "robots.txt"
    content_type = "text/plain; charset=utf-8"

    def get_context_data(self, **kwargs):
        sitemap = self.request.build_absolute_uri(reverse("sitemap"))
        return super().get_context_data(sitemap=sitemap, **kwargs)
