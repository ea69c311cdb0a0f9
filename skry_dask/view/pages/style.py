"""Colours and sizes: light or dark, as the browser wants it."""

CSS = """
:host, :root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :host, :root {
    --panel-primary-color: #6ea8fe !important;
    --panel-on-primary-color: #10151b !important;
    --panel-secondary-color: #343a40 !important;
    --panel-on-secondary-color: #ffffff !important;
    --panel-background-color: #16191d !important;
    --panel-on-background-color: #e6e9ec !important;
    --panel-surface-color: #23282e !important;
    --panel-on-surface-color: #e6e9ec !important;
    --panel-border-color: #495057 !important;
    --panel-shadow-color: rgba(10, 14, 18, 0.6) !important;
    --danger-bg-subtle: #2c0b0e !important;
    --danger-text-color: #ea868f !important;
    --danger-border-subtle: #842029 !important;
    --success-bg-subtle: #051b11 !important;
    --success-text-color: #75b798 !important;
    --success-border-subtle: #0f5132 !important;
    --info-bg-subtle: #032830 !important;
    --info-text-color: #6edff6 !important;
    --info-border-subtle: #055160 !important;
  }
}
.bk-tab.bk-active { color: var(--panel-on-background-color); }
.bk-btn-group .bk-btn.bk-active { color: var(--panel-on-primary-color) !important;
  background: var(--panel-primary-color) !important; }
.noUi-target { background: color-mix(in srgb, var(--panel-on-background-color) 22%, transparent); }
.noUi-connect { background: var(--panel-primary-color); }
:root body { background: var(--panel-background-color); margin: 0; }
:host(:focus-within) .bk-btn:focus-visible { outline: 2px solid var(--panel-primary-color); }
"""

PICTURE_CSS = """
:host { overflow: auto; }
img { image-rendering: pixelated; background: #000; display: block; }
"""

GREY = "#7f8790"
"""A colour of lines and words that is seen on light and on dark."""
