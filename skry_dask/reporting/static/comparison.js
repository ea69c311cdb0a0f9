// Two of several images over each other: slider, blink, zoom to single pixels.
//
// It needs a browser, and picture.js before it: comparison_widget.js is what anywidget calls.

const BLINK_MS = 600;
const PAN_PX = 40;

/**
 * Show images over each other.
 *
 * @param root element that is filled
 * @param state {images: [{title, url, alt}], left, right, split, blinking}; left and right are titles
 * @param onChange called with what the user has changed of left, right, split and blinking
 * @returns {update(state), destroy()}
 */
export function createComparison(root, state, onChange = () => {}) {
  const now = { images: [], left: "", right: "", split: 50, blinking: false };
  let timer = null, flipped = false, bright = 1;

  const left = element("select", { "aria-label": "Left image" });
  const right = element("select", { "aria-label": "Right image" });
  const slider = element("input",
    { type: "range", min: 0, max: 100, step: "any", "aria-label": "Where the right image begins" });
  const blink = element("button", { type: "button", "aria-pressed": "false" }, "Blink");
  const out = element("button", { type: "button", "aria-label": "Zoom out" }, "−");
  const into = element("button", { type: "button", "aria-label": "Zoom in" }, "+");
  const single = element("button", { type: "button", title: "One pixel on one of the screen" }, "1:1");
  const fit = element("button", { type: "button" }, "Fit");
  const percent = element("output", { "aria-label": "Zoom" });
  const light = element("input",
    { type: "range", min: 25, max: 400, value: 100, "aria-label": "Brightness" });
  const view = element("div", { class: "skry-view", tabindex: 0, role: "group",
    "aria-label": "Two images over each other: arrow keys move the slider, B blinks, + and − zoom, " +
      "0 fits, Shift with arrows moves the images" });
  const bar = element("div", { class: "skry-bar" });
  const leftTag = element("span", { class: "skry-tag skry-left" });
  const rightTag = element("span", { class: "skry-tag skry-right" });
  root.classList.add("skry-widget", "skry-comparison");
  root.append(
    element("div", { class: "skry-tools" }, left, slider, right, blink, out, percent, into, single,
      fit, element("label", {}, "Brightness ", light)),
    view,
  );

  const first = () => now.images[0]?.picture;
  const zoom = createZoom(view, first, draw);

  function draw() {
    const width = zoom.width(), at = width * now.split / 100, transform = zoom.settle();
    const same = now.left === now.right;
    for (const { title, picture } of now.images) {
      const isLeft = title === now.left, isRight = title === now.right;
      const seen = now.blinking ? title === (flipped ? now.left : now.right) : isLeft || isRight;
      const hidden = Math.max(0, width - (at - zoom.x) / zoom.scale);
      Object.assign(picture.style, {
        transform,
        filter: `brightness(${bright})`,
        visibility: seen ? "visible" : "hidden",
        zIndex: isLeft && !same ? 1 : 0,
        clipPath: isLeft && !same && !now.blinking ? `inset(0 ${hidden}px 0 0)` : "none",
      });
    }
    bar.style.left = `${at}px`;
    bar.hidden = now.blinking || same;
    leftTag.textContent = now.blinking ? (flipped ? now.left : now.right) : now.left;
    rightTag.textContent = now.right;
    rightTag.hidden = now.blinking || same;
    percent.textContent = `${Math.round(zoom.ofPixel() * zoom.scale * 100)} %`;
    slider.value = now.split;
    blink.setAttribute("aria-pressed", String(now.blinking));
    if (left.value !== now.left) left.value = now.left;
    if (right.value !== now.right) right.value = now.right;
  }

  function setBlinking() {
    if (now.blinking === (timer !== null)) return;
    clearInterval(timer);
    flipped = false;
    timer = now.blinking ? setInterval(() => { flipped = !flipped; draw(); }, BLINK_MS) : null;
  }

  function change(changed) {
    Object.assign(now, changed);
    setBlinking();
    draw();
    onChange(changed);
  }

  function replaceImages(titles) {
    now.images = titles.map(title => {
      const picture = element("img", { draggable: "false" });
      picture.addEventListener("load", () => {
        const { naturalWidth, naturalHeight } = first();
        if (naturalWidth) {
          view.style.aspectRatio = `${naturalWidth} / ${naturalHeight}`;
          view.style.setProperty("--skry-ratio", naturalWidth / naturalHeight);
        }
        draw();
      });
      return { title, picture };
    });
    for (const select of [left, right])
      select.replaceChildren(...titles.map(title => element("option", {}, title)));
    view.replaceChildren(...now.images.map(({ picture }) => picture), bar, leftTag, rightTag);
  }

  function update(next) {
    if (next.images !== undefined) {
      const same = next.images.length === now.images.length &&
        next.images.every(({ title }, i) => title === now.images[i].title);
      if (!same) replaceImages(next.images.map(({ title }) => title));
      // Of images that stay, the old picture is seen until the new one has been decoded.
      next.images.forEach(({ title, url, alt = title }, i) =>
        Object.assign(now.images[i].picture, { alt, src: url }));
    }
    for (const name of ["left", "right", "split", "blinking"])
      if (next[name] !== undefined) now[name] = next[name];
    setBlinking();
    draw();
  }

  left.addEventListener("change", () => change({ left: left.value }));
  right.addEventListener("change", () => change({ right: right.value }));
  slider.addEventListener("input", () => change({ split: Number(slider.value) }));
  blink.addEventListener("click", () => change({ blinking: !now.blinking }));
  light.addEventListener("input", () => { bright = light.value / 100; draw(); });
  out.addEventListener("click", () => zoom.to(zoom.scale / 2));
  into.addEventListener("click", () => zoom.to(zoom.scale * 2));
  single.addEventListener("click", () => zoom.to(1 / zoom.ofPixel()));
  fit.addEventListener("click", () => zoom.to(1));
  view.addEventListener("pointermove", event => {
    if (!view.hasPointerCapture(event.pointerId)) return;
    if (zoom.scale > 1) { zoom.moveBy(event.movementX, event.movementY); return; }
    const box = view.getBoundingClientRect();
    change({ split: clamp(100 * (event.clientX - box.left) / zoom.width(), 0, 100) });
  });
  view.addEventListener("keydown", event => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && event.shiftKey) zoom.moveBy(-PAN_PX * step[0], -PAN_PX * step[1]);
    else if (step && step[0]) change({ split: clamp(now.split + 2 * step[0], 0, 100) });
    else if (event.key === "b" || event.key === "B") change({ blinking: !now.blinking });
    else if (!zoom.takesKey(event.key)) return;
    // Notebooks have keys of their own.
    event.preventDefault();
    event.stopPropagation();
  });
  const resized = new ResizeObserver(draw);
  resized.observe(view);

  update(state);
  return { update, destroy() { clearInterval(timer); resized.disconnect(); root.replaceChildren(); } };
}
