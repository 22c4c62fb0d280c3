"use strict";
const form = document.getElementById("filters");
const table = document.getElementById("all-claims");
const body = table.tBodies[0];
const rows = [...body.rows];

function filter() {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase().replace(/\s+/g, " ");
    const fits = ["study", "verdict"].every((name) => ["", row.dataset[name]].includes(form.elements[name].value))
      && words.every((word) => text.includes(word));
    row.classList.toggle("out", !fits);
    shown += fits;
  }
  document.getElementById("count").textContent = `${shown} of ${rows.length} claims`;
  document.getElementById("nothing").hidden = shown > 0;
}

function key(row, column) {
  const cell = row.cells[column];
  return cell.dataset.key ?? cell.textContent.trim();
}

function sort(column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  const numeric = rows.some((row) => key(row, column)) && rows.every((row) => !isNaN(key(row, column)));
  const order = [...rows].sort((one, other) => {
    const [a, b] = [key(one, column), key(other, column)];
    if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1); // what has no value stands last either way
    const sign = numeric ? a - b : a.localeCompare(b, "en");
    return down ? -sign : sign;
  });
  for (const other of table.tHead.rows[0].cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...order);
}

[...table.tHead.rows[0].cells].forEach((head, column) => {
  if (!head.hasAttribute("aria-sort")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.dataset.name = head.textContent;
  button.addEventListener("click", () => sort(column, head));
  head.replaceChildren(button);
});
for (const type of ["input", "change"]) form.addEventListener(type, filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
function reveal() { // what a link leads to, whatever is filtered
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.classList.contains("out")) return;
  form.reset();
  filter();
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
document.querySelector(".map").addEventListener("click", () => setTimeout(reveal)); // the same mark again too
form.hidden = false;
filter();
reveal();
