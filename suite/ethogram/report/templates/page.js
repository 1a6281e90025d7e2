"use strict";
// Plain script of a report: opens cases, filters the list, switches probes and theme. Text of models
// reaches the page through textContent alone, never as markup.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const { texts, cases } = JSON.parse(document.getElementById("payload").textContent);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Elements

  const make = (name, options = {}, ...inside) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(options)) made.setAttribute(key, value);
    made.append(...inside.filter((part) => part !== null && part !== undefined));
    return made;
  };
  const draw = (name, options = {}, ...inside) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(options)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  };

  // Numbers as the rest of the page writes them

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const signed = (value, digits = 2) =>
    isNumber(value) ? (Number(value.toFixed(digits)) < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits) : "\u2013";
  const isInterval = (value) => value !== null && typeof value === "object" && "low" in value && "value" in value;
  const told = (interval) => {
    if (!interval) return "not measured";
    const { value, low, high, n } = interval;
    const within = isNumber(low) && isNumber(high) ? `[${signed(low)}, ${signed(high)}]` : "no CI";
    return `${signed(value)}  ${within}${n ? `  n = ${n}` : ""}`;
  };
  const chance = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);
  const plain = (value) => {
    if (value === null || value === undefined) return "not measured";
    if (isInterval(value)) return told(value);
    if (typeof value === "number") return String(Math.round(value * 1e4) / 1e4);
    if (typeof value === "boolean") return value ? "yes" : "no";
    // The lines of a diff: texts alone, one below the other.
    if (Array.isArray(value) && value.every((part) => typeof part === "string" && /^[-+@]/.test(part)) && value.length) {
      return make("pre", {}, value.join("\n"));
    }
    if (typeof value === "object") return JSON.stringify(value);
    return String(value);
  };
  const named = (key) => key.replaceAll("_", " ");

  // One case

  const dialog = document.getElementById("case");
  const title = document.getElementById("case-title");
  const body = document.getElementById("case-body");
  const SIGN = { more: 1, less: -1 };

  const facts = (pairs) => {
    const list = make("dl", { class: "facts" });
    for (const [term, value] of pairs) {
      if (value === null || value === undefined || value === "") continue;
      list.append(make("dt", {}, term), make("dd", {}, value));
    }
    return list;
  };

  const table = (heads, rows, kind = "") => {
    const head = make("tr", {}, ...heads.map(([name, kind]) => make("th", { scope: "col", class: kind }, name)));
    const made = make("table", { class: kind }, make("thead", {}, head));
    const lines = rows.map((cells) =>
      make("tr", {}, ...cells.map((inside, at) => make("td", { class: heads[at][1] }, inside))));
    made.append(make("tbody", {}, ...lines));
    return made;
  };

  const bar = (shift, widest, sign) => {
    const width = widest ? (44 * Math.abs(shift)) / widest : 0;
    const kind = !sign ? "" : shift * sign >= 0 ? "with" : "against";
    return draw("svg", { class: "bar", viewBox: "0 0 90 12", "aria-hidden": "true" },
      draw("line", { class: "zero", x1: 45, x2: 45, y1: 0, y2: 12 }),
      draw("rect", { class: kind, x: shift < 0 ? 45 - width : 45, y: 2, width, height: 8 }));
  };

  const items = (found) => {
    const shared = found.shared === undefined ? [] : [make("h3", {}, "What it asks"), make("p", { class: "shared" }, texts[found.shared])];
    if (!found.items.length && shared.length) return shared;
    if (!found.items.length) return [make("p", { class: "absent" }, "The report holds no items of this case.")];
    const sign = SIGN[found.expected] || 0;
    const widest = Math.max(...found.items.map((item) => Math.abs(item[2] || 0)));
    const unit = (found.facts && found.facts.shift_unit) || "";
    // Refusing a harmless prompt counts against a model as much as answering a hazardous one.
    const towards = (item) => (String(item[0]).startsWith("harmless") ? -sign : sign);
    const rank = (item) => (sign ? towards(item) * (item[2] || 0) : -Math.abs(item[2] || 0));
    const rows = [...found.items].sort((a, b) => rank(a) - rank(b));
    const heading = found.whole
      ? `All ${rows.length} items, the furthest from the expectation first`
      : `The ${rows.length} items furthest from the expectation`;
    return [
      ...shared,
      make("h3", {}, heading),
      table([["item", ""], [`shift${unit ? `, ${unit}` : ""}`, "n"], ["", "wide-only"], ["text", "text"]],
        rows.map(([id, line, shift, text], at) => [
          line > 1 ? `${id} (line ${line})` : String(id),
          signed(shift, 3),
          isNumber(shift) ? bar(shift, widest, towards(rows[at])) : "",
          texts[text] || `in ${found.file}`,
        ]), "items"),
    ];
  };

  const against = (found) => {
    if (!found.against) return [];
    const rows = found.against.map(({ reference, effect }) => [
      reference, told(effect.sign), told(effect.mean), signed(effect.d_z), isNumber(effect.p) ? chance(effect.p) : "\u2013",
    ]);
    return [
      make("h3", {}, "Against each reference"),
      table([["reference", ""], ["effect", "n"], ["mean shift", "n"], ["d_z", "n"], ["sign test", "n"]], rows),
    ];
  };

  // Expected side, target, dot and interval of one case, on [-limit, limit].
  const scale = (found) => {
    const { value, low, high } = found.measured || {};
    if (!isNumber(value)) return "";
    const sized = [value, low, high, found.target].filter(isNumber).map(Math.abs);
    const limit = Math.max(...sized, 0.5) <= 1 ? 1 : Math.ceil(Math.max(...sized));
    const at = (number) => 10 + ((number + limit) / (2 * limit)) * 380;
    const bands = { more: [0, 1], less: [-1, 0], same: [-0.2, 0.2] };
    const [from, to] = (isNumber(found.target) && bands[found.expected]) || [0, 0];
    const line = (kind, x, y1 = 2, y2 = 24) => draw("line", { class: kind, x1: x, x2: x, y1, y2 });
    const tick = (number) => draw("text", { class: "tick", x: at(number), y: 35, "text-anchor": "middle" }, signed(number, 0).replace(/^\+0$/, "0"));
    const kind = `v-${found.verdict}`;
    const parts = [draw("rect", { class: "band", x: at(from), y: 4, width: at(to) - at(from), height: 18 }),
      line("edge", at(-limit)), line("zero", at(0)), line("edge", at(limit)), tick(-limit), tick(0), tick(limit)];
    if (isNumber(found.target)) parts.push(line("target", at(found.target)));
    if (isNumber(low) && isNumber(high)) {
      parts.push(draw("line", { class: `ci ${kind}`, x1: at(low), x2: at(high), y1: 13, y2: 13 }));
    }
    parts.push(draw("circle", { class: `mark ${kind}`, cx: at(value), cy: 13, r: 5 }));
    return draw("svg", { class: "scale", viewBox: "0 0 400 38", "aria-hidden": "true" }, ...parts);
  };

  const fill = (found) => {
    title.textContent = `${found.subject}${found.probe ? `, ${found.probe}` : ""}`;
    const where = found.line ? `${found.file}:${found.line}` : found.file;
    const reason = found.because === undefined ? "" : ` \u2013 ${texts[found.because]}`;
    const expected = found.expected ? `${found.expected}${reason}${found.because_at ? ` (${found.because_at})` : ""}` : "";
    const shown = make("span", { class: `verdict v-${found.verdict.replaceAll(" ", "-")}` }, found.verdict);
    const measured = found.measured ? told(found.measured) : "not measured";
    const more = [...Object.entries(found.facts || {}), ...Object.entries(found.more || {})];
    body.replaceChildren(
      facts([
        ["model", found.model],
        ["verdict", shown],
        ["expected", expected],
        ["measured", found.unit ? `${measured}  (${found.unit})` : measured],
        ["", scale(found)],
        ["gap", isNumber(found.gap) ? `${signed(found.gap)} (target ${signed(found.target)})` : ""],
        ["reference", found.reference],
        ["sign test", isNumber(found.p) ? `${chance(found.p)}${isNumber(found.p_holm) ? `, after Holm ${chance(found.p_holm)}` : ""}` : ""],
        ["would decide", found.needs ? `about ${found.needs} items` : ""],
        ["case", make("code", {}, found.case)],
        ["file", make("code", {}, where)],
        ...more.filter(([key]) => key !== "shift_unit" && key !== "prompts").map(([key, value]) => [named(key), plain(value)]),
      ]),
      ...(found.verdict === "not measured" ? [] : items(found)),
      ...against(found),
    );
  };

  const open = (at) => {
    fill(cases[at]);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    title.focus();
    history.replaceState(null, "", `#case=${encodeURIComponent(cases[at].case)}`);
  };
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener("click", (event) => {
    const from = event.target.closest("[data-case]");
    if (from) open(Number(from.dataset.case));
  });
  const fromAddress = () => {
    if (!location.hash.startsWith("#case=")) return;
    const wanted = decodeURIComponent(location.hash.slice(6));
    const at = cases.findIndex((found) => found.case === wanted);
    if (at >= 0) open(at);
  };
  addEventListener("hashchange", fromAddress);

  // Arrow keys in the grids: one stop of the tab key each

  const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  for (const grid of all("[data-grid]")) {
    const rows = all("tbody tr", grid).map((row) => [...row.cells].map((cell) => cell.querySelector("button")));
    const buttons = rows.flat().filter(Boolean);
    buttons.forEach((button, at) => { button.tabIndex = at ? -1 : 0; });
    const stop = (button) => {
      buttons.forEach((other) => { other.tabIndex = -1; });
      button.tabIndex = 0;
    };
    grid.addEventListener("focusin", (event) => { if (event.target.matches("button")) stop(event.target); });
    grid.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      const row = rows.findIndex((cells) => cells.includes(event.target));
      if (row < 0 || !(move || event.key === "Home" || event.key === "End")) return;
      event.preventDefault();
      let [down, across] = [row, rows[row].indexOf(event.target)];
      let next = null;
      if (move) {
        do {
          down += move[0];
          across += move[1];
          next = rows[down] && across in rows[down] ? rows[down][across] : undefined;
        } while (next === null);
      } else {
        const own = rows[row].filter(Boolean);
        next = event.key === "Home" ? own[0] : own[own.length - 1];
      }
      if (next) next.focus();
    });
  }

  // Filters

  const form = document.querySelector(".filters");
  const lines = all("[data-row]").map((row) => [row, cases[Number(row.dataset.row)]]);
  const status = document.getElementById("shown");
  const words = cases.map((found) => [found.case, found.subject, found.expected || "",
    found.because === undefined ? "" : texts[found.because], ...found.items.map((item) => `${item[0]} ${texts[item[3]]}`)]
    .join("\n").toLowerCase());
  const more = document.getElementById("more");
  let most = Number(more.dataset.first);
  const filter = () => {
    const { model, kind, verdict, text } = Object.fromEntries(new FormData(form));
    const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    lines.forEach(([row, found], at) => {
      const fits = (!model || found.model === model) && (!kind || found.kind === kind) &&
        (!verdict || found.verdict === verdict) && parts.every((part) => words[at].includes(part));
      shown += fits ? 1 : 0;
      row.hidden = !fits || shown > most;
    });
    more.hidden = shown <= most;
    more.textContent = `Show all ${shown}`;
    status.textContent = shown === lines.length ? `${shown} cases` : `${shown} of ${lines.length} cases`;
  };
  more.addEventListener("click", () => { most = Infinity; filter(); });
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // Probes

  for (const chooser of all("[data-switch]")) {
    const parts = all(`[data-for="${chooser.dataset.switch}"]`);
    const choose = () => {
      const chosen = chooser.querySelector(":checked").value;
      for (const part of parts) part.hidden = part.dataset.value !== chosen;
    };
    chooser.addEventListener("change", choose);
    choose();
  }

  // Theme

  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("ethogram-theme"); } catch { return null; } };
  const show = (theme) => {
    if (theme) root.dataset.theme = theme;
    button.setAttribute("aria-pressed", String((theme || (dark.matches ? "dark" : "light")) === "dark"));
  };
  button.addEventListener("click", () => {
    const next = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
    show(next);
    try { localStorage.setItem("ethogram-theme", next); } catch { /* a page from a file may not store */ }
  });
  dark.addEventListener("change", () => { if (!root.dataset.theme) show(null); });
  show(stored());
  fromAddress();
})();
