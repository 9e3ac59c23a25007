"use strict";
(() => {
  const form = document.querySelector(".filter");
  const rows = [...document.querySelectorAll("#moved-rows tbody tr")];
  if (form && rows.length) {
    const get = (name) => document.getElementById("filter-" + name);
    const became = get("became"), label = get("label"), sure = get("sure");
    const show = () => {
      const least = sure ? Number(sure.value) : 0;
      let left = 0;
      for (const row of rows) {
        const here = (!became.value || row.dataset.became === became.value)
          && (!label || !label.value || row.dataset.label === label.value)
          && Number(row.dataset.sure) >= least;
        row.hidden = !here;
        left += here ? 1 : 0;
      }
      if (sure) get("sure-told").textContent = Math.round(100 * least) + " %";
      get("count").textContent = left + (left === 1 ? " row" : " rows");
    };
    form.hidden = false;
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) { one.open = true; opened.push(one); }
  });
  addEventListener("afterprint", () => { for (const one of opened.splice(0)) one.open = false; });
})();
