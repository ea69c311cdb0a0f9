"""Images of a tab: two over each other with slider, blink and zoom; and a crop to choose."""

from __future__ import annotations

import param
from panel.custom import JSComponent

from skry_dask.reporting.modules import static_text

VIEW = "skry_dask.view"
"""Package with the files of pages."""

STYLE = ".skry-view { max-width: calc(78vh * var(--skry-ratio, 1)); }"
"""As high as a window, at most."""


class ImageComparison(JSComponent):
    """Two of several images over each other; see the widget `compare_images`."""

    titles = param.List(default=[], doc="Titles of the images.")
    urls = param.List(default=[], doc="Their pictures, data URIs, in the same order.")
    left = param.String(default="", doc="Title of the image on the left.")
    right = param.String(default="", doc="Title of the image on the right.")
    split = param.Number(default=50, doc="Where the right one begins, % of the width.")
    blinking = param.Boolean(default=False, doc="Whether they are shown in turn.")

    _esm = (
        static_text("picture.js", "comparison.js")
        + """
export function render({ model }) {
  const root = document.createElement("div");
  const names = ["left", "right", "split", "blinking"];
  const choices = () => Object.fromEntries(names.map(name => [name, model[name]]));
  const images = () => model.titles.map((title, i) => ({ title, url: model.urls[i] || "" }));
  const shown = createComparison(root, { images: images(), ...choices() }, changed => {
    for (const [name, value] of Object.entries(changed)) model[name] = value;
  });
  model.on("urls", () => shown.update({ images: images(), ...choices() }));
  model.on(names, () => shown.update(choices()));
  model.on("remove", () => shown.destroy());
  return root;
}
"""
    )
    _stylesheets = [static_text("picture.css", "comparison.css"), STYLE]  # noqa: RUF012 as Panel has it

    def show(self, pictures: dict[str, str]) -> None:
        """Show pictures, data URIs by title; of two that are seen, those stay that still exist."""
        titles = list(pictures)
        left = self.left if self.left in pictures else titles[0]
        right = self.right if self.right in pictures else titles[-1]
        self.param.update(titles=titles, left=left, right=right)
        self.urls = list(pictures.values())  # last: the page draws when these have changed


class CropChoice(JSComponent):
    """A small picture of an image; a click or arrow keys move the crop, which has a frame."""

    url = param.String(default="", doc="The picture, a data URI.")
    across = param.Number(default=0.5, doc="Centre of the crop, as a fraction of the width.")
    down = param.Number(default=0.5, doc="Centre of the crop, as a fraction of the height.")
    width_share = param.Number(default=0.5, doc="Width of the crop, as a fraction.")
    height_share = param.Number(default=0.5, doc="Height of the crop, as a fraction.")

    _esm = static_text("crop_choice.js", package=VIEW)
    _stylesheets = [static_text("crop_choice.css", package=VIEW)]  # noqa: RUF012 as Panel has it
