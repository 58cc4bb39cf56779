"""How the site is built: Sphinx, MyST pages, notebooks that are run, one generated page per law."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

import make_api_pages  # noqa: E402
import make_law_pages  # noqa: E402
from docutils.nodes import SkipNode  # noqa: E402
from latex2mathml.converter import convert  # noqa: E402

project = "bayes_scaling"
author = "The bayes_scaling authors"
copyright = author
release = version = metadata.version("bayes_scaling")

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_build", "conf.py", "make_law_pages.py", "make_api_pages.py"]
default_role = "py:obj"
suppress_warnings = ["myst-nb.lexer"]  # a notebook that was not run has no language yet

# ------------------------------------------------------------------------------------------- written pages

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# ------------------------------------------------------------------------------------------------ notebooks

nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars and notices of the libraries


def sources() -> str:
    """Digest of all that a notebook's output depends on: when the package changes, all are run anew."""
    digest = hashlib.sha256(os.environ.get("BAYES_SCALING_QUICK", "").encode())
    for path in sorted((ROOT / "bayes_scaling").rglob("*")):
        if path.suffix in {".py", ".csv", ".json"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


nb_execution_cache_path = str(DOCS / "_build" / "executed" / sources())

# -------------------------------------------------------------------------------------------------- reference

autodoc_typehints = "none"  # signatures show them; numpydoc's tables say the rest
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# ------------------------------------------------------------------------------------------------- appearance

html_theme = "pydata_sphinx_theme"
html_title = "bayes_scaling"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 5,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"*": []}  # a page on the top level has no section to navigate
pygments_style = "sphinx"


def inline_math(translator, node) -> None:
    """A formula in a line, as MathML: browsers draw it without a script from elsewhere."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def display_math(translator, node) -> None:
    """A formula of its own."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def escape_bars(app, what, name, value, options, lines: list[str]) -> None:
    """An absolute value in a docstring is no substitution."""
    for k, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[k] = "``".join(parts)


def generate(app) -> None:
    """The pages of the laws and of the API, and the notebooks beside the written pages."""
    with TemporaryDirectory() as fresh:
        kept = DOCS / "_build" / "pictures"
        place("laws", make_law_pages.write(Path(fresh) / "laws", pictures=True, kept=kept))
        place("api", make_api_pages.write(Path(fresh) / "api"))
    place("notebooks", sorted((ROOT / "notebooks").glob("*.py")))


def place(folder: str, files: list[Path]) -> None:
    """Make a folder hold these files and no others; what is unchanged is left alone, and not built again."""
    target = DOCS / folder
    target.mkdir(exist_ok=True)
    for path in files:
        new, old = path.read_bytes(), target / path.name
        if not old.is_file() or old.read_bytes() != new:
            old.write_bytes(new)
    for old in target.iterdir():
        if old.is_file() and old.name not in {path.name for path in files}:
            old.unlink()


def setup(app) -> None:
    """Sphinx's hook."""
    app.add_html_math_renderer("mathml", (inline_math, None), (display_math, None))
    app.connect("builder-inited", generate)
    app.connect("autodoc-process-docstring", escape_bars, priority=100)
