"""The img element of a picture: sizes to choose from, and room kept while it loads."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import mark_safe

register = template.Library()

# How broad a picture is shown, by where it stands; mirrors the widths in site.css.
SIZES = {
    "card": "(min-width: 70rem) 22rem, (min-width: 40rem) 46vw, 92vw",
    "page": "(min-width: 70rem) 62rem, 94vw",
    "half": "(min-width: 70rem) 31rem, (min-width: 40rem) 47vw, 94vw",
}


@register.simple_tag
def picture(item, place="card", eager=False):
    loading = mark_safe('fetchpriority="high"' if eager else 'loading="lazy"')
    return format_html(
        '<img src="{}" srcset="{}" sizes="{}" width="{}" height="{}" alt="{}" {}>',
        item.small_url,
        item.srcset,
        SIZES[place],
        item.width,
        item.height,
        item.alt,
        loading,
    )
