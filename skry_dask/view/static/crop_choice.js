// A small picture with a frame around the crop, for Panel.

export function render({ model }) {
  const view = document.createElement("div");
  view.className = "crop";
  view.tabIndex = 0;
  view.setAttribute("role", "group");
  view.setAttribute("aria-label", "The stack; a click or the arrow keys move the crop");
  const picture = document.createElement("img");
  picture.alt = "The whole stack";
  picture.draggable = false;
  const frame = document.createElement("div");
  frame.className = "crop-frame";
  view.append(picture, frame);
  const draw = () => {
    if (picture.getAttribute("src") !== model.url) picture.src = model.url;
    const left = Math.min(Math.max(model.across - model.width_share / 2, 0), 1 - model.width_share);
    const top = Math.min(Math.max(model.down - model.height_share / 2, 0), 1 - model.height_share);
    Object.assign(frame.style, { left: `${100 * left}%`, top: `${100 * top}%`,
      width: `${100 * model.width_share}%`, height: `${100 * model.height_share}%` });
  };
  const move = (across, down) => {
    const half = [model.width_share / 2, model.height_share / 2];
    model.across = Math.min(Math.max(across, half[0]), 1 - half[0]);
    model.down = Math.min(Math.max(down, half[1]), 1 - half[1]);
  };
  const at = event => {
    const box = view.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  view.addEventListener("pointerdown", event => { view.setPointerCapture(event.pointerId); at(event); });
  view.addEventListener("pointermove", event => { if (view.hasPointerCapture(event.pointerId)) at(event); });
  view.addEventListener("keydown", event => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    move(model.across + step[0] * model.width_share / 4, model.down + step[1] * model.height_share / 4);
  });
  model.on(["url", "across", "down", "width_share", "height_share"], draw);
  draw();
  return view;
}
