"""Lucky imaging as a dataflow pipeline on chunked arrays.

A telescope's video goes in, one sharp image comes out. `run` does the whole job; `open_capture`,
`align`, `estimate_quality`, `track`, `refine` and `stack` are its steps, each a lazy dask graph.

The public names are listed in ``__init__.pyi``. Each is imported when it is first used, so that
``import skry_dask`` takes milliseconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__docformat__ = "numpy"
"""Format of all docstrings, for pdoc."""
