//! Which package brings a module, where their names differ.

/// Modules that settings of Django projects import, and the packages they come from.
const KNOWN: [(&str, &str); 27] = [
    ("PIL", "Pillow"),
    ("MySQLdb", "mysqlclient"),
    ("allauth", "django-allauth"),
    ("anymail", "django-anymail"),
    ("axes", "django-axes"),
    ("bs4", "beautifulsoup4"),
    ("channels_redis", "channels-redis"),
    ("configurations", "django-configurations"),
    ("constance", "django-constance"),
    ("corsheaders", "django-cors-headers"),
    ("crispy_forms", "django-crispy-forms"),
    ("csp", "django-csp"),
    (
        "debug_toolbar",
        "django-debug-toolbar (or leave it out in production)",
    ),
    ("decouple", "python-decouple"),
    ("dj_database_url", "dj-database-url"),
    (
        "django_extensions",
        "django-extensions (or leave it out in production)",
    ),
    ("django_filters", "django-filter"),
    ("dotenv", "python-dotenv"),
    ("environ", "django-environ"),
    ("import_export", "django-import-export"),
    ("ninja", "django-ninja"),
    ("psycopg2", "psycopg2-binary"),
    ("psycopg", "psycopg[binary]"),
    ("rest_framework", "djangorestframework"),
    ("sentry_sdk", "sentry-sdk"),
    ("storages", "django-storages"),
    ("yaml", "PyYAML"),
];

/// The package to add for `module` (dotted names count by their first part).
pub(crate) fn package_of(module: &str) -> &str {
    let top = module.split('.').next().unwrap_or(module);
    KNOWN
        .iter()
        .find(|(known, _)| *known == top)
        .map_or(top, |(_, package)| package)
}
