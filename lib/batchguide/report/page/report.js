(() => {
  "use strict";
  const failed = (panel, reason) => {
    panel.classList.add("failed");
    panel.textContent = "This chart could not be drawn: " + reason;
  };
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
  };
  const draw = async (source) => {
    const panel = document.getElementById(source.dataset.for);
    try {
      const drawn = document.createElement("div");
      panel.replaceChildren(drawn);
      await window.vegaEmbed(drawn, JSON.parse(source.textContent), options);
      panel.classList.add("drawn");
    } catch (error) {
      failed(panel, error.message || String(error));
    }
  };
  const charts = document.querySelectorAll('script[type="application/vnd.vegalite+json"]');
  Promise.all([...charts].map(draw)).then(() => { document.body.dataset.ready = "true"; });

  const toggle = document.getElementById("show-code");
  toggle.addEventListener("change", () => document.body.classList.toggle("with-code", toggle.checked));
  // Paper has no clicks: what is folded opens for printing and folds again.
  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("main details:not([open])")) {
      if (one.closest(".chart")) continue;
      one.open = true;
      opened.push(one);
    }
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened.splice(0)) one.open = false;
  });
})();
