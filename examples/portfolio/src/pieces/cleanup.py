"""Removes the files of pictures that were deleted or replaced, once the database agreed."""

from functools import partial

from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver

from .models import Picture


def _files(picture):
    return {picture.image.name, *(small["name"] for small in picture.thumbnails)} - {"", None}


def _remove(storage, names):
    for name in names:
        storage.delete(name)


@receiver(pre_save, sender=Picture)
def remember_the_old_files(sender, instance, raw=False, **kwargs):
    known = None if raw or not instance.pk else Picture.objects.filter(pk=instance.pk).first()
    replaced = known is not None and known.image.name != instance.image.name
    instance.files_replaced = _files(known) if replaced else set()


@receiver(post_save, sender=Picture)
def remove_replaced_files(sender, instance, **kwargs):
    names = getattr(instance, "files_replaced", set()) - {instance.image.name}
    if names:
        transaction.on_commit(partial(_remove, instance.image.storage, names))


@receiver(post_delete, sender=Picture)
def remove_files_of_a_deleted_picture(sender, instance, **kwargs):
    transaction.on_commit(partial(_remove, instance.image.storage, _files(instance)))
