"""Figures with words for those who cannot see them."""

from __future__ import annotations

import param
from panel.custom import Child, JSComponent


class Described(JSComponent):
    """A figure of Bokeh, which draws on a canvas, with an alternative text."""

    figure = Child()
    words = param.String()

    _esm = """
export function render({model}) {
  const around = document.createElement("div");
  around.setAttribute("role", "group");
  around.style.width = "100%";
  const say = () => around.setAttribute("aria-label", model.words);
  say();
  model.on("words", say);
  around.append(model.get_child("figure"));
  return around;
}
"""
