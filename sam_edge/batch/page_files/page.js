const body = document.querySelector("tbody");
const rows = [...body.rows];
const search = document.querySelector("#search");
const count = document.querySelector("#count");
const states = [...document.querySelectorAll("[data-state]")];

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = states.find((button) => button.getAttribute("aria-pressed") === "true").dataset.state;
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (state && !row.classList.contains(state)) || !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
}

for (const button of states) {
  button.addEventListener("click", () => {
    for (const other of states) other.setAttribute("aria-pressed", String(other === button));
    show();
  });
}
search.addEventListener("input", show);

function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.value);
}

for (const head of document.querySelectorAll("th")) {
  head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of document.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const column = head.cellIndex;
    const sorted = rows.map((row) => [value(row, column), row]);
    sorted.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
    body.append(...sorted.map(([, row]) => row));
  });
}
