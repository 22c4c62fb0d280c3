"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("pick");
const NOT_RUN = "not run with the others";
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const MARKERS = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-3.5-3.5h7v7h-7z", "M0-4.5l4.5 8h-9z", "M0-5l4.5 5l-4.5 5l-4.5-5z"];
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [400, 270, 58, 12, 12, 44]; // of a chart, in its own units

const byId = (id) => document.getElementById(id);
const picker = (choice) => form.elements.namedItem(choice.name); // a choice may be called like what every list has
const at = () => study().choices.map((choice) => picker(choice).selectedIndex);
const study = () => DATA[form.elements.study.value];
const same = (one, other) => one.every((value, place) => value === other[place]);
const universe = (levels) => study().universes.findIndex((one) => same(one.at, levels));

function make(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "text", "title", "g"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function options(select, labels) {
  select.replaceChildren(...labels.map((label) => make("option", {}, label)));
}

// Numbers: four digits, shares in percent.

function text(value, percent = false) {
  if (value === null) return "–";
  const shown = percent ? 100 * value : value;
  const size = Math.abs(shown);
  if (size && (size < 1e-4 || size >= 1e7)) {
    const [mantissa, power] = shown.toExponential(2).split("e");
    return `${Number(mantissa)} × 10${[...String(Number(power))].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻").join("")}`;
  }
  return shown.toLocaleString("en", { maximumSignificantDigits: 4 });
}

// What was picked: a study and a level of each of its choices, kept in the address.

function pickStudy() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (Object.hasOwn(DATA, wanted.get("study"))) form.elements.study.value = wanted.get("study");
  const { question, choices, metrics, curves } = study();
  byId("question").textContent = question;
  byId("page").href = `${form.elements.study.value}/index.html`;
  byId("choices").replaceChildren(
    ...choices.map((choice) => make("label", {}, choice.label, make("select", { name: choice.name }))),
    make("button", { type: "reset" }, "The reference"),
  );
  for (const choice of choices) {
    options(picker(choice), choice.levels);
    picker(choice).selectedIndex = Math.max(0, choice.names.indexOf(wanted.get(choice.name)));
  }
  options(byId("metric"), metrics.map((metric) => metric.label));
  options(byId("curve"), curves.metrics.map((metric) => metric.label));
  const favourite = curves.metrics.findIndex((metric) => metric.percent);
  byId("curve").selectedIndex = Math.max(0, favourite);
  showUniverse();
  showCurves();
}

function markOptions(levels) {
  study().choices.forEach((choice, place) => {
    [...picker(choice).options].forEach((option, level) => {
      const run = universe(levels.with(place, level)) >= 0;
      option.disabled = !run && study().universes.every((one) => one.at[place] !== level);
      option.classList.toggle("not-run", !run);
      option.textContent = choice.levels[level] + (run || level === levels[place] ? "" : option.disabled ? " (not run)" : ` (${NOT_RUN})`);
    });
  });
}

function showUniverse() {
  const { universes, choices } = study();
  const levels = at();
  const number = universe(levels);
  markOptions(levels);
  const words = new URLSearchParams({ study: form.elements.study.value });
  choices.forEach((choice, place) => { if (levels[place]) words.set(choice.name, choice.names[levels[place]]); });
  if (location.hash.slice(1) !== String(words)) history.replaceState(null, "", `#${words}`);
  for (const id of ["numbers", "verdicts"]) byId(id).hidden = number < 0;
  byId("nearest").replaceChildren(...(number < 0 ? nearest(levels) : []));
  if (number < 0) {
    byId("where").textContent = "This combination was not run, so nothing is known of it. The nearest that were:";
    return;
  }
  const { seeds } = universes[number];
  const alone = universes.length > 1 ? "" : " Other combinations of this study were not run yet.";
  byId("where").textContent = number
    ? `This combination was run with ${seeds} seeds, and each claim is judged by itself, with 5\u00a0% for either error.`
    : `This is the reference, with ${seeds} seeds: what the study’s own verdicts are about.${alone}`;
  showNumbers(number);
  showClaims(number);
}

function nearest(levels) {
  const { universes, choices } = study();
  const far = (one) => one.at.filter((level, place) => level !== levels[place]).length;
  const least = Math.min(...universes.map(far));
  return universes.filter((one) => far(one) === least).slice(0, 8).map((one) => {
    const words = choices.flatMap((choice, place) => (one.at[place] === levels[place] ? [] : [`${choice.label}: ${choice.levels[one.at[place]]}`]));
    const button = make("button", { type: "button" }, words.join(", "));
    button.addEventListener("click", () => {
      choices.forEach((choice, place) => { picker(choice).selectedIndex = one.at[place]; });
      showUniverse();
      byId("where").scrollIntoView({ block: "nearest" });
    });
    return button;
  });
}

// How cells are laid out: one factor along an axis, one as lines, the others as charts side by side.

function layout(positions) {
  const { factors } = study();
  const varied = factors.map((_, place) => place).filter((place) => new Set(positions.map((one) => one[place])).size > 1);
  const along = varied.filter((place) => factors[place].numbers && factors[place].numbers.length > 2).pop();
  const lines = varied.find((place) => place !== along);
  return { along, lines, charts: varied.filter((place) => place !== along && place !== lines) };
}

function words(position, places) {
  return places.map((place) => {
    const { label, levels, numbers } = study().factors[place];
    return numbers ? `${label} ${levels[position[place]]}` : levels[position[place]];
  }).join(", ");
}

function panels(found, places) {
  const made = new Map();
  for (const one of found) {
    const key = words(one.position, places);
    made.set(key, [...(made.get(key) ?? []), one]);
  }
  return made;
}

// Numbers of the headline metrics: a chart where a factor is a scale, and always a table.

function showNumbers(number) {
  const { universes, positions, summaries, metrics, factors } = study();
  const which = byId("metric").selectedIndex;
  const metric = metrics[which];
  const found = universes[number].cells.flatMap((cell, place) => {
    const summary = cell === null ? null : summaries[cell][which];
    return summary ? [{ position: positions[place], summary }] : [];
  });
  const { along, lines, charts } = layout(found.map((one) => one.position));
  const parts = [];
  if (!found.length) parts.push(make("p", {}, "It was not measured in this combination."));
  if (along !== undefined && new Set(found.map((one) => one.position[lines])).size <= 12) {
    const seen = lines === undefined ? [] : [...new Set(found.map((one) => one.position[lines]))].sort((a, b) => a - b);
    if (seen.length) parts.push(legend(seen.map((level) => factors[lines].levels[level]), true));
    const drawn = [...panels(found, charts)].map(([title, cells]) => {
      const series = (seen.length ? seen : [undefined]).map((level, look) => ({
        look,
        points: cells.filter((one) => level === undefined || one.position[lines] === level).map(({ position, summary }) => ({
          x: factors[along].numbers[position[along]], y: summary[0], low: summary[1], high: summary[2],
          told: `${words(position, charts.concat(lines ?? [], along))}: ${told(summary, metric)}`,
        })),
      }));
      return chart(title, series, { x: factors[along].label, y: metric.label, percent: metric.percent, marked: true, ticks: factors[along].numbers });
    });
    parts.push(make("div", { class: "charts" }, ...drawn));
    parts.push(make("details", {}, make("summary", {}, "The same as a table"), table(found, metric)));
  } else if (found.length) parts.push(table(found, metric));
  byId("numbers-charts").replaceChildren(...parts);
}

function told([mean, low, high, n, missing, late], { percent }) {
  const interval = low === null ? "" : ` [${text(low, percent)} to ${text(high, percent)}]`;
  return `${text(mean, percent)}${percent ? " %" : ""}${interval}, n = ${n}${notes(missing, late)}`;
}

function notes(missing, late) {
  return (missing ? `; ${missing} more without a number` : "") + (late ? `; ${late} never arrived, counted to the end` : "");
}

function table(found, metric) {
  const names = study().factors.map((_, place) => place).filter((place) => found.some((one) => one.position[place] !== found[0].position[place]));
  const ends = found.flatMap(({ summary }) => summary.slice(0, 3)).filter((value) => value !== null);
  const scale = scaled(Math.min(...ends), Math.max(...ends), 4, 188);
  const heads = ["cell", metric.percent ? `${metric.label} (%)` : metric.label, "95 % interval", "n", ""];
  const rows = found.map(({ position, summary }) => {
    const [mean, low, high, n, missing, late] = summary;
    const value = make("data", { value: mean }, text(mean, metric.percent));
    const interval = low === null ? "–" : `${text(low, metric.percent)} to ${text(high, metric.percent)}`;
    const strip = make("svg", { class: "strip", viewBox: "0 0 192 16", "aria-hidden": "true" },
      make("line", { class: "rule", x1: 0, x2: 192, y1: 8, y2: 8 }));
    if (low !== null) strip.append(make("path", { class: "s0", "stroke-width": 2, d: `M${scale(low)} 8H${scale(high)}` }));
    strip.append(make("path", { class: "s0", transform: `translate(${scale(mean)} 8)`, d: MARKERS[0] }));
    const cells = [words(position, names) || "the only one", value, interval, `${n}${notes(missing, late)}`, strip];
    return make("tr", { role: "row" }, ...cells.map((cell, place) => make("td", { role: "cell", "data-label": heads[place] }, cell)));
  });
  const head = make("tr", { role: "row" }, ...heads.map((name) => make(name ? "th" : "td", name ? { role: "columnheader", scope: "col" } : { role: "cell" }, name)));
  return make("table", { role: "table", class: "static" }, make("thead", { role: "rowgroup" }, head), make("tbody", { role: "rowgroup" }, ...rows));
}

function showClaims(number) {
  const { universes, claims } = study();
  const signed = (name, [verdict, shown]) => make("b", { class: `verdict ${verdict.replace(" ", "-")}` }, shown);
  const rows = claims.map(([name, claim, condition], place) => {
    const here = universes[number].found[place];
    const unmoved = here[4] ? [make("small", {}, "No choice made here can change this number.")] : [];
    const cells = [
      [make("a", { href: `index.html#${form.elements.study.value}.${name}` }, claim), make("small", {}, `Holds if: ${condition}`)],
      [signed(name, here), ...unmoved], [here[2]], [here[3].toLocaleString("en")], [signed(name, universes[0].found[place])],
    ];
    const heads = [...byId("verdicts").querySelectorAll("th")].map((head) => head.textContent);
    return make("tr", { role: "row" }, ...cells.map((cell, column) => make("td", { role: "cell", "data-label": heads[column] }, ...cell)));
  });
  byId("verdicts").querySelector("tbody").replaceChildren(...rows);
}

function showCurves() {
  const { curves, factors } = study();
  byId("curves").hidden = !curves.lines.length;
  if (!curves.lines.length) return;
  const metric = byId("curve").selectedIndex;
  const found = curves.lines.filter((line) => line.metric === metric).map((line) => ({ position: line.at, line }));
  const lines = factors.findIndex((_, place) => new Set(found.map((one) => one.position[place])).size > 1);
  const charts = factors.map((_, place) => place).filter((place) => place !== lines && new Set(found.map((one) => one.position[place])).size > 1);
  const seen = lines < 0 ? [] : [...new Set(found.map((one) => one.position[lines]))].sort((a, b) => a - b);
  const drawn = [...panels(found, charts)].map(([title, cells]) => {
    const series = cells.map(({ position, line }) => ({
      look: Math.max(0, seen.indexOf(position[lines])),
      points: line.times.map((x, place) => {
        const [y, half] = [line.mean[place], line.half[place]];
        return { x, y, low: half === null ? null : y - half, high: half === null ? null : y + half };
      }),
    }));
    const { label, percent } = curves.metrics[metric];
    return chart(title, series, { x: cells[0].line.clock, y: label, percent, marked: false });
  });
  byId("curves-charts").replaceChildren(
    ...(seen.length ? [legend(seen.map((level) => words(found.find((one) => one.position[lines] === level).position, [lines])), false)] : []),
    make("div", { class: "charts" }, ...drawn),
  );
}

// Charts.

function scaled(low, high, start, end) {
  if (low > 0 && high / low > 50) {
    const inner = scaled(Math.log(low), Math.log(high), start, end);
    return Object.assign((value) => inner(Math.log(Math.max(value, low))), { logarithmic: true });
  }
  const span = high - low || Math.abs(high) || 1;
  const from = high === low ? low - span / 2 : low;
  return (value) => Math.round(100 * (start + ((end - start) * (value - from)) / span)) / 100;
}

function ticks(low, high, logarithmic) {
  if (logarithmic) {
    const powers = [];
    const step = Math.max(1, Math.ceil(Math.log10(high / low) / 5));
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 1.001; power += step) powers.push(Number(`1e${power}`));
    return powers.filter((value) => value >= low * 0.999);
  }
  const step = stepOf(low, high);
  const found = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-9; place++) found.push(Number((place * step).toPrecision(12)));
  return found;
}

function stepOf(low, high) {
  const rough = (high - low || Math.abs(high) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
}

function wholeSteps(low, high) { // the ends of an axis, as it is written; a logarithmic one ends where the numbers do
  if (low > 0 && high / low > 50) return [low, high];
  const step = stepOf(low, high);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

function chart(title, series, { x: xLabel, y: yLabel, percent, marked, ticks: levels }) {
  const points = series.flatMap((one) => one.points).filter((one) => one.y !== null);
  const xs = points.map((one) => one.x);
  const ys = points.flatMap((one) => [one.y, one.low, one.high]).filter((value) => value !== null);
  const positive = points.every((one) => one.y > 0);
  const floor = positive ? Math.min(...points.map((one) => one.y)) / 10 : -Infinity; // no interval decides the scale
  const [low, high] = wholeSteps(Math.min(...ys.map((value) => Math.max(value, floor))), Math.max(...ys));
  const y = scaled(low, high, HEIGHT - BOTTOM - 6, TOP + 6);
  const x = scaled(Math.min(...xs), Math.max(...xs), LEFT + 12, WIDTH - RIGHT - 12);
  const svg = make("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${yLabel}${title ? ` of ${title}` : ""} against ${xLabel}; the numbers are in the tables` });
  for (const value of ticks(low, high, y.logarithmic)) {
    svg.append(make("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(make("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, text(value, percent)));
  }
  let last = -Infinity;
  for (const value of levels ? [...new Set(xs)].sort((a, b) => a - b) : ticks(Math.min(...xs), Math.max(...xs), x.logarithmic)) {
    if (x(value) - last < 34) continue;
    last = x(value);
    svg.append(make("line", { class: "axis", x1: last, x2: last, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 5 }));
    svg.append(make("text", { x: last, y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, text(value)));
  }
  svg.append(make("path", { class: "axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }));
  svg.append(make("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, xLabel));
  for (const { look, points: all } of series) {
    const known = all.filter((one) => one.y !== null).sort((a, b) => a.x - b.x);
    const banded = known.filter((one) => one.low !== null);
    const end = (one, value) => `${x(one.x)} ${y(Math.max(value, floor))}`;
    if (!marked && banded.length > 1) {
      const band = [...banded.map((one) => end(one, one.high)), ...[...banded].reverse().map((one) => end(one, one.low))];
      svg.append(make("path", { class: `band s${look % 8}`, d: `M${band.join("L")}Z` }));
    }
    svg.append(line(known.map((one) => `${x(one.x)} ${y(one.y)}`), look));
    for (const one of marked ? known : []) {
      const dot = make("g", {}, make("title", {}, one.told));
      if (one.low !== null) dot.append(make("path", { class: `s${look % 8}`, "stroke-width": 1.5, d: `M${end(one, one.low)}L${end(one, one.high)}` }));
      dot.append(make("path", { class: `s${look % 8}`, transform: `translate(${x(one.x)} ${y(one.y)})`, d: MARKERS[look % 4] }));
      svg.append(dot);
    }
  }
  return make("div", {}, make("h3", {}, title ? `${title}: ${yLabel}` : yLabel, percent ? " (%)" : ""), svg);
}

function line(points, look) {
  const made = make("path", { class: `line s${look % 8}`, d: points.length ? `M${points.join("L")}` : "" });
  made.setAttribute("stroke-dasharray", DASHES[Math.floor(look / 8) + (look % 2 ? 1 : 0)] ?? "");
  return made;
}

function legend(labels, marked) {
  return make("ul", { class: "legend" }, ...labels.map((label, look) => {
    const sample = make("svg", { viewBox: "0 0 40 14", "aria-hidden": "true" }, line(["0 7", "40 7"], look));
    if (marked) sample.append(make("path", { class: `s${look % 8}`, transform: "translate(20 7)", d: MARKERS[look % 4] }));
    return make("li", {}, sample, label);
  }));
}

form.elements.study.addEventListener("change", () => {
  history.replaceState(null, "", `#study=${form.elements.study.value}`);
  pickStudy();
});
byId("choices").addEventListener("change", showUniverse);
byId("metric").addEventListener("change", () => showNumbers(universe(at())));
byId("curve").addEventListener("change", showCurves);
form.addEventListener("reset", (event) => {
  event.preventDefault();
  for (const choice of study().choices) picker(choice).selectedIndex = 0;
  showUniverse();
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => { if (location.hash.startsWith("#study=")) pickStudy(); });
form.hidden = false;
pickStudy();
