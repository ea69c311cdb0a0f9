// Two of several images over each other: slider, blink, zoom to single pixels.
//
// It needs nothing but a browser: comparison_widget.js is what anywidget calls.

const BLINK_MS = 600;
const MOST_ZOOM = 32; // screen pixels for a pixel of the image
const PAN_PX = 40;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

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
  let scale = 1, x = 0, y = 0, timer = null, flipped = false, bright = 1;

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
  root.classList.add("skry-comparison");
  root.append(
    element("div", { class: "skry-tools" }, left, slider, right, blink, out, percent, into, single,
      fit, element("label", {}, "Brightness ", light)),
    view,
  );

  const shownWidth = () => view.clientWidth || 1;
  const first = () => now.images[0]?.picture;
  const zoomOfPixel = () => shownWidth() / (first()?.naturalWidth || shownWidth());

  function draw() {
    const width = shownWidth(), at = width * now.split / 100;
    x = clamp(x, width * (1 - scale), 0);
    y = clamp(y, view.clientHeight * (1 - scale), 0);
    const same = now.left === now.right;
    for (const { title, picture } of now.images) {
      const isLeft = title === now.left, isRight = title === now.right;
      const seen = now.blinking ? title === (flipped ? now.left : now.right) : isLeft || isRight;
      const hidden = Math.max(0, width - (at - x) / scale);
      Object.assign(picture.style, {
        transform: `translate(${x}px, ${y}px) scale(${scale})`,
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
    percent.textContent = `${Math.round(zoomOfPixel() * scale * 100)} %`;
    slider.value = now.split;
    blink.setAttribute("aria-pressed", String(now.blinking));
    if (left.value !== now.left) left.value = now.left;
    if (right.value !== now.right) right.value = now.right;
  }

  function zoomTo(next, cx = shownWidth() / 2, cy = view.clientHeight / 2) {
    next = clamp(next, 1, Math.max(1, MOST_ZOOM / zoomOfPixel()));
    x = cx - (cx - x) * next / scale;
    y = cy - (cy - y) * next / scale;
    scale = next;
    draw();
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
  out.addEventListener("click", () => zoomTo(scale / 2));
  into.addEventListener("click", () => zoomTo(scale * 2));
  single.addEventListener("click", () => zoomTo(1 / zoomOfPixel()));
  fit.addEventListener("click", () => zoomTo(1));
  view.addEventListener("wheel", event => {
    event.preventDefault();
    const box = view.getBoundingClientRect();
    zoomTo(scale * (event.deltaY < 0 ? 1.25 : 0.8), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  view.addEventListener("pointerdown", event => view.setPointerCapture(event.pointerId));
  view.addEventListener("pointermove", event => {
    if (!view.hasPointerCapture(event.pointerId)) return;
    if (scale > 1) { x += event.movementX; y += event.movementY; draw(); return; }
    const box = view.getBoundingClientRect();
    change({ split: clamp(100 * (event.clientX - box.left) / shownWidth(), 0, 100) });
  });
  view.addEventListener("keydown", event => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && event.shiftKey) { x -= PAN_PX * step[0]; y -= PAN_PX * step[1]; draw(); }
    else if (step && step[0]) change({ split: clamp(now.split + 2 * step[0], 0, 100) });
    else if (event.key === "b" || event.key === "B") change({ blinking: !now.blinking });
    else if (event.key === "+" || event.key === "=") zoomTo(scale * 2);
    else if (event.key === "-") zoomTo(scale / 2);
    else if (event.key === "0") zoomTo(1);
    else return;
    // Notebooks have keys of their own.
    event.preventDefault();
    event.stopPropagation();
  });
  const resized = new ResizeObserver(draw);
  resized.observe(view);

  update(state);
  return { update, destroy() { clearInterval(timer); resized.disconnect(); root.replaceChildren(); } };
}
