from django.urls import path

from .feeds import LatestPieces
from .models import Piece
from .views import HomeView, KindListView, PieceView, TagView

app_name = "pieces"

urlpatterns = [
    path("", HomeView.as_view(), name="home"),
    path("art/", KindListView.as_view(kind=Piece.Kind.ART), name="art"),
    path("art/<slug:slug>/", PieceView.as_view(kind=Piece.Kind.ART), name="art-detail"),
    path("writing/", KindListView.as_view(kind=Piece.Kind.WRITING), name="writing"),
    path(
        "writing/<slug:slug>/",
        PieceView.as_view(kind=Piece.Kind.WRITING),
        name="writing-detail",
    ),
    path("tags/<slug:slug>/", TagView.as_view(), name="tag"),
    path("feed/", LatestPieces(), name="feed"),
]
