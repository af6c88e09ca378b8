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
  // Beside the text when there is room; else folded, so that the verdict stands first.
  const contents = document.querySelector("nav.contents details");
  contents.open = window.matchMedia("(min-width: 68rem)").matches;
})();
