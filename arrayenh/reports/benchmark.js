// The choices of a benchmark's report: which score is shown, which systems, how rows are sorted.
(() => {
  "use strict";
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  // One choice for the whole page, of a "metric" or a "view". What stands above the button may
  // change its height: the button stays where the reader's finger is.
  function choose(what, button) {
    const wanted = button.dataset[what], before = button.getBoundingClientRect().top;
    for (const section of all("section")) {
      const buttons = all(`.choose [data-${what}]`, section);
      if (!buttons.some((other) => other.dataset[what] === wanted)) continue;
      for (const other of buttons) {
        other.setAttribute("aria-pressed", String(other.dataset[what] === wanted));
      }
      for (const block of all(`.by-${what}`, section)) {
        block.hidden = block.dataset[what] !== wanted;
      }
    }
    window.scrollBy(0, button.getBoundingClientRect().top - before);
  }

  for (const what of ["metric", "view"]) {
    for (const button of all(`.choose [data-${what}]`)) {
      button.addEventListener("click", () => choose(what, button));
    }
  }

  for (const box of all(".systems input")) {
    const show = () => {
      for (const row of all(`.row[data-system="${box.value}"]`, box.closest("section"))) {
        row.hidden = !box.checked;
      }
    };
    box.addEventListener("change", show);
    show();   // a browser may remember what was ticked
  }

  // First click: the best first; second: the other way round; third: as it was.
  function sorts(table) {
    const body = table.tBodies[0], original = [...body.rows];
    const heads = all("th.sorts", table);
    const value = (row, column) => {
      const cell = row.cells[column];
      if (column === 0) return cell.textContent.trim().toLowerCase();
      return "value" in cell.dataset ? Number(cell.dataset.value) : null;
    };

    function order(column, sign) {
      return [...original].sort((one, other) => {
        const a = value(one, column), b = value(other, column);
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * ((a > b) - (a < b));
      });
    }

    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      const up = column === 0 || Number(button.dataset.best) < 0 ? "ascending" : "descending";
      const down = up === "ascending" ? "descending" : "ascending";
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const next = now === up ? down : now === down ? null : up;
        for (const other of heads) other.removeAttribute("aria-sort");
        if (next) head.setAttribute("aria-sort", next);
        const rows = next ? order(column, next === "ascending" ? 1 : -1) : original;
        body.append(...rows);
      });
    });
  }

  all(".systems-table").forEach(sorts);
  document.documentElement.classList.add("choosing");
})();
