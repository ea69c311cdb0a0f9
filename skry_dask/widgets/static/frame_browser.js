// Frames of a capture, one at a time. Python reads the frame at `position` and sends it as `png`,
// with its position in `shown`; the next one is asked for when the last one has come. It needs
// picture.js before it.

const PLAY_MS = 80;

function render({ model, el }) {
  let wanted = null; // what the user asks for, until it is shown
  let playing = false, timer = null, url = null;

  const button = (label, words) => element("button", { type: "button", "aria-label": words }, label);
  const before = button("‹", "Frame before"), after = button("›", "Next frame");
  const play = element("button", { type: "button", "aria-pressed": "false" }, "Play");
  const slider = element("input", { type: "range", min: 0, "aria-label": "Position in the order" });
  const place = element("output", { "aria-label": "Position" });
  const order = element("select", { "aria-label": "Order of frames" });
  const still = element("input", { type: "checkbox" });
  const stabilised = element("label", {}, still, " stabilised");
  const out = button("−", "Zoom out"), into = button("+", "Zoom in"), fit = button("Fit", "Fit");
  const light = element("input",
    { type: "range", min: 25, max: 800, value: 100, "aria-label": "Brightness" });
  const picture = element("img", { alt: "", draggable: "false" });
  const view = element("div", { class: "skry-view", tabindex: 0, role: "group",
    "aria-label": "A frame: arrow keys step, Home and End go to the first and last, space plays, " +
      "+ and − zoom" }, picture);
  const graph = element("canvas", { class: "skry-curve", role: "img",
    "aria-label": "Quality of the frames in their order; a click goes to one" });
  const caption = element("div", { class: "skry-caption", "aria-live": "polite" });
  el.classList.add("skry-widget", "skry-frames");
  el.append(
    element("div", { class: "skry-tools" }, before, play, after, slider, place, order, stabilised,
      out, into, fit, element("label", {}, "Brightness ", light)),
    view, graph, caption,
  );

  const zoom = createZoom(view, () => picture, placeFrame);
  const last = () => model.get("n_frames") - 1;
  const isBusy = () => model.get("shown") !== model.get("position");
  const position = () => wanted ?? model.get("position");

  function go(to) {
    wanted = clamp(Math.round(to), 0, last());
    drawPosition();
    if (!isBusy()) ask();
  }

  function ask() {
    if (wanted === null || wanted === model.get("position")) { wanted = null; return; }
    model.set("position", wanted);
    model.save_changes();
  }

  function drawPosition() {
    slider.value = position();
    place.textContent = `${position() + 1} / ${last() + 1}`;
  }

  function setPlaying(on) {
    playing = on;
    clearTimeout(timer);
    play.setAttribute("aria-pressed", String(on));
    if (on) timer = setTimeout(step, PLAY_MS);
  }

  function step() {
    if (!playing) return;
    if (!isBusy()) go(position() >= last() ? 0 : position() + 1);
    timer = setTimeout(step, PLAY_MS);
  }

  function drawFrame() {
    const content = model.get("png");
    if (!content || !content.byteLength) return;
    const made = URL.createObjectURL(new Blob([content], { type: "image/png" }));
    const old = url;
    url = made;
    picture.onload = () => {
      view.style.aspectRatio = `${picture.naturalWidth} / ${picture.naturalHeight}`;
      if (old) URL.revokeObjectURL(old);
      placeFrame();
    };
    picture.src = made;
  }

  function placeFrame() {
    picture.style.transform = zoom.settle();
    picture.style.filter = `brightness(${light.value / 100})`;
  }

  function drawCurve() {
    const bytes = model.get("curve");
    const values = bytes && bytes.byteLength
      ? new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
      : new Float32Array();
    const known = values.filter(value => !Number.isNaN(value));
    graph.hidden = !known.length;
    if (!known.length) return;
    const ratio = devicePixelRatio || 1;
    const width = graph.width = Math.max(1, graph.clientWidth * ratio);
    const height = graph.height = Math.max(1, graph.clientHeight * ratio);
    const context = graph.getContext("2d");
    const lowest = known.reduce((a, b) => Math.min(a, b)), range = 1 - lowest || 1;
    const atX = i => (i + 0.5) * width / values.length;
    context.strokeStyle = context.fillStyle = getComputedStyle(graph).color;
    context.lineWidth = ratio;
    context.beginPath();
    let open = false;
    values.forEach((value, i) => {
      if (Number.isNaN(value)) { open = false; return; }
      const atY = height * (0.95 - 0.9 * (value - lowest) / range);
      if (open) context.lineTo(atX(i), atY); else context.moveTo(atX(i), atY);
      open = true;
    });
    context.stroke();
    context.globalAlpha = 0.6;
    context.fillRect(atX(position()) - ratio, 0, 2 * ratio, height);
  }

  function update() {
    slider.max = last();
    order.replaceChildren(...model.get("orders").map(name =>
      element("option", { value: name }, name === "time" ? "in time" : "best first")));
    order.hidden = model.get("orders").length < 2;
    order.value = model.get("order");
    stabilised.hidden = !model.get("can_stabilise");
    still.checked = model.get("stabilised");
    caption.textContent = picture.alt = model.get("caption");
    drawPosition();
    drawCurve();
  }

  function onChange() {
    if (isBusy()) return;
    ask();
    update();
  }

  slider.addEventListener("input", () => go(Number(slider.value)));
  before.addEventListener("click", () => go(position() - 1));
  after.addEventListener("click", () => go(position() + 1));
  play.addEventListener("click", () => setPlaying(!playing));
  order.addEventListener("change", () => { model.set("order", order.value); model.save_changes(); });
  still.addEventListener("change", () => {
    model.set("stabilised", still.checked);
    model.save_changes();
  });
  light.addEventListener("input", placeFrame);
  out.addEventListener("click", () => zoom.to(zoom.scale / 2));
  into.addEventListener("click", () => zoom.to(zoom.scale * 2));
  fit.addEventListener("click", () => zoom.to(1));
  view.addEventListener("pointermove", event => {
    if (view.hasPointerCapture(event.pointerId)) zoom.moveBy(event.movementX, event.movementY);
  });
  graph.addEventListener("click", event => {
    const box = graph.getBoundingClientRect();
    go(Math.floor((event.clientX - box.left) / box.width * (last() + 1)));
  });
  view.addEventListener("keydown", event => {
    const steps = { ArrowLeft: position() - 1, ArrowRight: position() + 1, PageUp: position() - 10,
      PageDown: position() + 10, Home: 0, End: last() };
    if (event.key in steps) go(steps[event.key]);
    else if (event.key === " ") setPlaying(!playing);
    else if (!zoom.takesKey(event.key)) return;
    // Notebooks have keys of their own.
    event.preventDefault();
    event.stopPropagation();
  });
  const resized = new ResizeObserver(() => { placeFrame(); drawCurve(); });
  resized.observe(view);

  const listened = [["change:png", drawFrame], ["change:shown", onChange],
    ["change:position", onChange], ["change:caption", onChange], ["change:curve", onChange],
    ["change:order", onChange], ["change:stabilised", onChange]];
  for (const [name, listener] of listened) model.on(name, listener);
  drawFrame();
  update();
  return () => {
    setPlaying(false);
    resized.disconnect();
    for (const [name, listener] of listened) model.off(name, listener);
    if (url) URL.revokeObjectURL(url);
    el.replaceChildren();
  };
}

export default { render };
