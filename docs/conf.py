"""How Sphinx builds the documentation site: `make docs`, or `python -m sphinx -W docs out/docs`.

The pages are plain Markdown that GitHub shows as well. What is made at build time (the API, the commands' options and
the order of the pages) comes from `docs/tools`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS / "tools"), str(DOCS.parent)]

import api_pages
import command_line_page
import docstrings
import navigation
import source_links
from pygments.lexers.special import TextLexer

import sam_edge

smartquotes = False
project = "sam-edge"
release = version = sam_edge.__version__
copyright = "the authors of sam-edge. Apache License 2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["tools"]
default_role = "literal"

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
# Docstrings of properties begin with words such as `x0`, which Sphinx looks up as types.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_use_rtype = False
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "sam-edge"
html_static_path = ["assets"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False


def setup(app: Any) -> None:
    """Connect what is made at build time."""
    app.connect("builder-inited", lambda app: api_pages.write_pages(Path(app.srcdir) / "reference" / "api"))
    app.connect("source-read", navigation.add_page_trees)
    app.connect("source-read", command_line_page.add_options)
    app.connect("source-read", source_links.link_to_source_files)
    app.add_lexer("mermaid", TextLexer)
    # Before napoleon, which reads the sections of a docstring at priority 500.
    app.connect("autodoc-process-docstring", docstrings.mark_up, priority=100)
