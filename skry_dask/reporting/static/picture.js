// What widgets with pictures have in common: elements, and a view that is zoomed and moved.
//
// It is put before the modules that use it: notebooks and reports have each widget in one file.

const MOST_ZOOM = 32; // screen pixels for a pixel of the picture

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * Zoom and move pictures that fill a view: by the wheel, by keys, and as the widget asks.
 *
 * @param view element that has the pictures
 * @param picture returns one of them, or undefined
 * @param draw called when what is seen has changed
 * @returns {scale, x, width(), ofPixel(), settle(), to(scale, x, y), moveBy(x, y), takesKey(key)}
 */
function createZoom(view, picture, draw) {
  const zoom = { scale: 1, x: 0, y: 0 };
  zoom.width = () => view.clientWidth || 1;
  zoom.ofPixel = () => zoom.width() / (picture()?.naturalWidth || zoom.width());
  // Keep the view filled; returns the transform of the pictures.
  zoom.settle = () => {
    zoom.x = clamp(zoom.x, zoom.width() * (1 - zoom.scale), 0);
    zoom.y = clamp(zoom.y, view.clientHeight * (1 - zoom.scale), 0);
    return `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.scale})`;
  };
  zoom.to = (next, x = zoom.width() / 2, y = view.clientHeight / 2) => {
    next = clamp(next, 1, Math.max(1, MOST_ZOOM / zoom.ofPixel()));
    zoom.x = x - (x - zoom.x) * next / zoom.scale;
    zoom.y = y - (y - zoom.y) * next / zoom.scale;
    zoom.scale = next;
    draw();
  };
  zoom.moveBy = (x, y) => { zoom.x += x; zoom.y += y; draw(); };
  zoom.takesKey = key => {
    if (key === "+" || key === "=") zoom.to(zoom.scale * 2);
    else if (key === "-") zoom.to(zoom.scale / 2);
    else if (key === "0") zoom.to(1);
    else return false;
    return true;
  };
  view.addEventListener("wheel", event => {
    event.preventDefault();
    const box = view.getBoundingClientRect();
    zoom.to(zoom.scale * (event.deltaY < 0 ? 1.25 : 0.8),
      event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  view.addEventListener("pointerdown", event => view.setPointerCapture(event.pointerId));
  return zoom;
}
