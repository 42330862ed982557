// The slider of the manager's page: copies the row of the table that belongs to the score. Without it the button does.
"use strict";
(() => {
  const slider = document.getElementById("cutoff");
  const mark = document.getElementById("cutoff-line");
  const outputs = document.querySelectorAll("output[data-column]");
  if (!slider || outputs.length === 0) return;
  slider.addEventListener("input", () => {
    const row = document.getElementById(`score-${slider.value}`);
    if (!row) return;
    document.getElementById("first-shown")?.remove();
    for (const output of outputs) {
      output.textContent = row.querySelector(`[data-column="${output.dataset.column}"]`).textContent;
    }
    for (const each of document.querySelectorAll("tr.is-chosen")) each.classList.remove("is-chosen");
    row.classList.add("is-chosen");
    if (mark) {
      const x = Number(mark.dataset.left) + (Number(mark.dataset.width) * Number(slider.value)) / 100;
      mark.setAttribute("x1", x);
      mark.setAttribute("x2", x);
    }
  });
})();
