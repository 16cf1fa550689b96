"""An app made by a call, one in a namespace, and things that are no app."""


class site:
    @staticmethod
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"dotted"]


def make_app(name="made"):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    return app


number = 5
