"""Keys that are pressed anywhere on the page but in fields for text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.custom import JSComponent

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_KEYS = ("ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End", "x", "s", "r", "q", "b")
"""Keys that mean something on some tab."""


class Keys(JSComponent):
    """Calls a function with the name of each key.

    Sliders and fields keep the keys that they use themselves.
    """

    _esm = """
export function render({model}) {
  const listen = event => {
    const at = event.composedPath()[0];
    const words = at.matches?.("textarea, select, input:not([type=checkbox]):not([type=radio])");
    if (words || at.getAttribute?.("role") === "slider" || event.ctrlKey || event.altKey
        || event.metaKey || !KEYS.includes(event.key)) return;
    event.preventDefault();
    model.send_msg(event.key);
  };
  document.addEventListener("keydown", listen);
  model.on("remove", () => document.removeEventListener("keydown", listen));
  return document.createElement("span");
}
""".replace("KEYS", str(list(OWN_KEYS)))

    def __init__(self, on_key: Callable[[str], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._on_key = on_key

    def _handle_msg(self, msg: Any) -> None:
        if msg in OWN_KEYS:
            self._on_key(msg)
