"""report.html: one page that a person looks at; a file of its own, with nothing fetched from anywhere."""

from axkit.report.page.page import PAGE, page_of

__all__ = ["PAGE", "page_of"]
