
"use strict";

// Plots of the last minutes, and how numbers are written. Before page.js.

const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false, timeZoneName: "short" });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

// Everything that comes from the edge gets onto the page here, as text.
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function tone(node, value) {
  if (node.dataset.tone !== value) node.dataset.tone = value;
}

function make(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

// === numbers ===

const many = (count, one, more) => `${number.format(count)} ${count === 1 ? one : more}`;

function rate(value) {
  if (value >= 100) return number.format(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(value === 0 ? 0 : 2);
}

function duration(ms) {
  if (ms < 1000) return [ms < 1 ? ms.toFixed(2) : ms < 10 ? ms.toFixed(1) : String(Math.round(ms)), "ms"];
  if (ms < 60_000) return [(ms / 1000).toFixed(ms < 10_000 ? 2 : 1), "s"];
  return [(ms / 60_000).toFixed(1), "min"];
}

// On an axis: as short as it can be.
const short = ([value, unit]) => `${String(Number(value))} ${unit}`.trim();

function span(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).map(([size, unit], place) => {
    const count = Math.floor((place === 0 ? seconds : seconds % parts[first][0]) / size);
    return count === 0 && place > 0 ? "" : `${count} ${unit}`;
  });
  return shown.filter(Boolean).join(" ");
}

function time(seconds) {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

function roundUp(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * size >= value) * size;
}

// === plots ===

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [600, 100];

// From zero to a round number.
function evenly(values) {
  const top = roundUp(Math.max(...values, 0) || 1);
  return { y: (value) => HEIGHT * (1 - value / top), ticks: [top, top / 2] };
}

// By powers of ten: discovery takes microseconds, a stream minutes.
function byPowers(values) {
  const above = values.filter((value) => value > 0).map(Math.log10);
  const [low, high] = above.length === 0 ? [0, 2] : [Math.floor(Math.min(...above)), Math.ceil(Math.max(...above))];
  const reach = Math.max(high - low, 1);
  const step = Math.ceil(reach / 4);
  const ticks = Array.from({ length: reach + 1 }, (_, place) => low + place).filter((power) => power > low && (low + reach - power) % step === 0);
  return { y: (value) => HEIGHT * Math.min(1, 1 - (Math.log10(value) - low) / reach), ticks: ticks.map((power) => 10 ** power) };
}

class Plot {
  constructor(id, series, { unit, axis, scale }) {
    Object.assign(this, { series, unit, axis, scale, points: [] });
    this.box = at(id);
    this.svg = this.box.querySelector("svg");
    this.grid = this.path("grid");
    this.paths = series.map((one) => [one.area ? this.path("area") : undefined, this.path(one.style)]);
    this.cross = this.path("cross");
    this.box.addEventListener("pointermove", (event) => this.point(event));
    this.box.addEventListener("pointerleave", () => this.leave());
  }

  path(className) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", className);
    this.svg.append(path);
    return path;
  }

  draw(status) {
    const { points, interval_seconds: step, most_points: most } = status.history;
    const reach = step * most;
    this.points = points.map((point) => ({ ...point, x: WIDTH * (1 - (status.now - point.at) / reach) }));
    const of = (one) => points.map((point) => point[one.name]).filter((value) => value != null);
    const { y, ticks } = this.scale(this.series.flatMap(of));
    this.label(ticks, y);
    this.series.forEach((one, place) => {
      const [area, line] = this.paths[place];
      const runs = this.runs(one, y);
      line.setAttribute("d", runs.map((run) => "M" + run.map((spot) => spot.join(" ")).join("L")).join(""));
      const closed = (run) => `M${run[0][0]} ${HEIGHT}L${run.map((spot) => spot.join(" ")).join("L")}L${run.at(-1)[0]} ${HEIGHT}Z`;
      area?.setAttribute("d", runs.map(closed).join(""));
    });
    const last = points.at(-1);
    const told = (one) => {
      const highest = Math.max(...of(one));
      return last?.[one.name] == null ? `${one.label}: none` : `${one.label}: ${this.unit(last[one.name])}, highest ${this.unit(highest)}`;
    };
    const label = `The last 10 minutes. ${this.series.map(told).join("; ")}.`;
    if (this.svg.getAttribute("aria-label") !== label) this.svg.setAttribute("aria-label", label);
  }

  label(ticks, y) {
    this.grid.setAttribute("d", ticks.map((tick) => `M0 ${y(tick).toFixed(2)}H${WIDTH}`).join(""));
    const labels = this.box.querySelectorAll(".tick");
    for (let missing = labels.length; missing < ticks.length; missing += 1) this.box.append(make("span", "tick"));
    this.box.querySelectorAll(".tick").forEach((node, place) => {
      node.hidden = place >= ticks.length;
      if (node.hidden) return;
      say(node, this.axis(ticks[place]));
      node.style.top = `${y(ticks[place])}%`;
    });
  }

  // Where nothing was measured there is no line, nor, where that says nothing, between two zeros.
  runs({ name, quiet }, y) {
    const runs = [[]];
    this.points.forEach((point, place) => {
      const around = this.points.slice(Math.max(0, place - 1), place + 2);
      const isDrawn = quiet ? around.some((near) => near[name] > 0) : point[name] != null;
      if (isDrawn) runs.at(-1).push([Math.max(0, point.x).toFixed(1), y(point[name]).toFixed(2)]);
      else runs.push([]);
    });
    // A single reading is a short line, so that it can be seen.
    const seen = (run) => (run.length === 1 ? [[(run[0][0] - 3).toFixed(1), run[0][1]], run[0]] : run);
    return runs.filter((run) => run.length > 0).map(seen);
  }

  point(event) {
    const area = this.box.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * WIDTH;
    const nearest = this.points.reduce(
      (best, point) => (best && Math.abs(best.x - x) <= Math.abs(point.x - x) ? best : point), undefined);
    if (!nearest) return;
    this.cross.setAttribute("d", `M${nearest.x} 0V${HEIGHT}`);
    const told = this.series.filter((one) => nearest[one.name] != null);
    const values = told.map((one) => `${one.label} ${this.unit(nearest[one.name])}`);
    say(this.box.querySelector(".here"), [time(nearest.at), ...values].join(" · "));
  }

  leave() {
    this.cross.setAttribute("d", "");
    say(this.box.querySelector(".here"), "");
  }
}
