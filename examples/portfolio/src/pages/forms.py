"""The contact form."""

from django import forms

from .models import Message


class ContactForm(forms.ModelForm):
    # People do not see this field and leave it empty; programs that fill in forms do not.
    website = forms.CharField(required=False, max_length=200)

    class Meta:
        model = Message
        fields = ["name", "email", "text"]
        labels = {"name": "Your name", "email": "Your e-mail address", "text": "Your message"}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "text": forms.Textarea(attrs={"rows": 8}),
        }

    def clean_name(self):
        return " ".join(self.cleaned_data["name"].split())

    @property
    def is_from_a_program(self):
        return bool(self.cleaned_data.get("website"))
