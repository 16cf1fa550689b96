"""The home page, the lists and the page of one piece."""

from django.db.models import Count, Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.generic import DetailView, ListView

from .models import Piece, Tag


class PieceListView(ListView):
    """Cards of published pieces, newest first, a page at a time."""

    context_object_name = "pieces"
    paginate_by = 24

    def get_queryset(self):
        return Piece.objects.published().for_cards()

    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        context["page_numbers"] = context["paginator"].get_elided_page_range(
            context["page_obj"].number, on_each_side=2, on_ends=1
        )
        return context


class HomeView(PieceListView):
    template_name = "pieces/home.html"

    def get_context_data(self, **kwargs):
        shown = Q(pieces__is_draft=False, pieces__published_at__lte=timezone.now())
        tags = Tag.objects.annotate(shown=Count("pieces", filter=shown)).filter(shown__gt=0)
        return super().get_context_data(tags=tags.order_by("-shown", "name")[:12], **kwargs)


class KindListView(PieceListView):
    kind = None
    paginate_by = 12

    def get_queryset(self):
        return super().get_queryset().filter(kind=self.kind)

    def get_template_names(self):
        return [f"pieces/{self.kind}_list.html"]


class TagView(PieceListView):
    template_name = "pieces/tag.html"

    def get_queryset(self):
        self.tag = get_object_or_404(Tag, slug=self.kwargs["slug"])
        return super().get_queryset().filter(tags=self.tag)

    def get_context_data(self, **kwargs):
        return super().get_context_data(tag=self.tag, **kwargs)


class PieceView(DetailView):
    kind = None
    context_object_name = "piece"

    def get_queryset(self):
        return Piece.objects.published().filter(kind=self.kind).for_cards()

    def get_template_names(self):
        return [f"pieces/{self.kind}_detail.html"]

    def get_context_data(self, **kwargs):
        siblings = Piece.objects.published().filter(kind=self.kind)
        place = {"published_at": self.object.published_at, "pk": self.object.pk}
        return super().get_context_data(
            newer=siblings.filter(_after(**place)).reverse().first(),
            older=siblings.exclude(_after(**place)).exclude(pk=self.object.pk).first(),
            related=self.related(siblings),
            **kwargs,
        )

    def related(self, siblings):
        """Up to three pieces of the kind that share most tags with this one."""
        tags = [tag.pk for tag in self.object.tags.all()]
        if not tags:
            return []
        near = siblings.filter(tags__in=tags).exclude(pk=self.object.pk)
        near = near.annotate(shared=Count("tags")).order_by("-shared", "-published_at")
        return near.for_cards()[:3]


def _after(published_at, pk):
    return Q(published_at__gt=published_at) | Q(published_at=published_at, pk__gt=pk)
