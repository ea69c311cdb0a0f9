// The model of a notebook around `createComparison`, which comes before in the same module.

function render({ model, el }) {
  let urls = [];
  const images = () => {
    urls.forEach(URL.revokeObjectURL);
    const made = model.get("images").map(({ title, png }) =>
      ({ title, url: URL.createObjectURL(new Blob([png], { type: "image/png" })) }));
    urls = made.map(({ url }) => url);
    return made;
  };
  const choices = () => Object.fromEntries(
    ["left", "right", "split", "blinking"].map(name => [name, model.get(name)]));
  const shown = createComparison(el, { images: images(), ...choices() }, changed => {
    for (const [name, value] of Object.entries(changed)) model.set(name, value);
    model.save_changes();
  });
  const onImages = () => shown.update({ images: images(), ...choices() });
  const onChoice = () => shown.update(choices());
  const listened = [["change:images", onImages],
    ...["left", "right", "split", "blinking"].map(name => [`change:${name}`, onChoice])];
  for (const [name, listener] of listened) model.on(name, listener);
  return () => {
    for (const [name, listener] of listened) model.off(name, listener);
    shown.destroy();
    urls.forEach(URL.revokeObjectURL);
  };
}

export default { render };
