// Draws one Vega-Lite picture once; afterwards only rows travel. While a frame is being drawn
// newer rows wait, and of several that wait the last is drawn: none of the last moves is lost.

const rowsOf = (columns) => {
  const names = Object.keys(columns);
  const length = names.length ? columns[names[0]].length : 0;
  return Array.from({ length }, (_, at) => {
    const row = {};
    for (const name of names) row[name] = columns[name][at];
    return row;
  });
};

async function render({ model, el }) {
  const figure = document.createElement("div");
  figure.className = "batchguide-live-chart";
  figure.setAttribute("role", "img");
  figure.style.minHeight = `${model.get("height")}px`;
  el.appendChild(figure);
  const { view, finalize } = await vegaEmbed(figure, structuredClone(model.get("picture")), {
    mode: "vega-lite", actions: false, renderer: model.get("renderer"),
  });
  let drawing = false;
  let waiting = false;

  const draw = async () => {
    if (drawing) { waiting = true; return; }
    drawing = true;
    try {
      do {
        waiting = false;
        const frame = model.get("frame");
        for (const [name, columns] of Object.entries(frame.data)) view.data(name, rowsOf(columns));
        await view.resize().runAsync();
        figure.setAttribute("aria-label", frame.said);
        figure.dataset.drawn = String(frame.number);
      } while (waiting);
    } finally {
      drawing = false;
    }
  };

  const fit = () => {
    const width = Math.max(280, Math.min(1100, el.clientWidth - 70));
    if (el.clientWidth && Math.abs(width - view.width()) > 1) view.width(width).resize().runAsync();
  };
  const watcher = new ResizeObserver(fit);
  watcher.observe(el);
  model.on("change:frame", draw);
  fit();
  await draw();
  return () => { watcher.disconnect(); model.off("change:frame", draw); finalize(); };
}

export default { render };
