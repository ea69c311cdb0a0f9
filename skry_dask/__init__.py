"""Lucky imaging as a dataflow pipeline on chunked arrays.

A telescope's video goes in, one sharp image comes out. `run` does the whole job; `open_capture`,
`align`, `estimate_quality`, `track`, `refine` and `stack` are its steps, each a lazy dask graph.

>>> import skry_dask as skry
>>> result = skry.run("moon.ser", percent=20, output="moon.tif")  # the whole job
>>> results = skry.open_results("moon.ser")  # what its phases found, by their names
>>> skry.describe(results["align"]).heading
'align: where the scene lies in each frame'
>>> capture = skry.open_capture("moon.ser")  # one phase again, with other options
>>> points = skry.track(capture, results["align"], results["quality"], spacing=30)
>>> skry.save_image(skry.sharpen(result["stack"]), "sharp.tif")

Options are given by name, as dataclasses (`StackOptions`), or both: names win. Printed, they show
what differs from the defaults.

The public names are listed in ``__init__.pyi``. Each is imported when it is first used, so that
``import skry_dask`` takes milliseconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__docformat__ = "numpy"
"""Format of all docstrings, for pdoc."""
