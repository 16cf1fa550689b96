from django.contrib import admin

from .models import Message, Profile


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin):
    def has_add_permission(self, request):
        return super().has_add_permission(request) and not Profile.objects.exists()


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ["name", "email", "sent_at", "is_answered"]
    list_filter = ["is_answered"]
    search_fields = ["name", "email", "text"]
    readonly_fields = ["name", "email", "text", "sent_at"]

    def has_add_permission(self, request):
        return False
