"use strict";
// Names come from whoever uses the API: they are put in as text only, never as markup.

const PAUSE_MS = 1500;
const SVG = "http://www.w3.org/2000/svg";
const TONES = {
  Allocated: "good", running: "good", Open: "wait", Preempting: "bad", Paused: "wait", starting: "wait",
  preempting: "bad", preempted: "bad", error: "bad", relocating: "wait",
};
const token = decodeURIComponent(location.hash.slice(1));
const drawn = new Map();

const find = (id) => document.getElementById(id);

const dollars = (cents) =>
  (cents / 100).toLocaleString("en-US", { style: "currency", currency: "USD" });

function cell(content, kind) {
  const found = document.createElement("td");
  if (kind) found.className = kind;
  if (content instanceof Node) found.append(content);
  else found.textContent = content === null || content === undefined ? "" : String(content);
  return found;
}

function row(cells, kind) {
  const found = document.createElement("tr");
  if (kind) found.className = kind;
  found.append(...cells);
  return found;
}

// Rewrites a part of the page only when it has changed, so that a selection or a reader's place stays.
function show(id, key, make) {
  const text = JSON.stringify(key);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  find(id).replaceChildren(...make());
}

function table(id, rows, columns, nothing, make) {
  const body = find(id).tBodies[0];
  const text = JSON.stringify(rows);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  if (rows.length) {
    body.replaceChildren(...rows.map(make));
  } else {
    const empty = cell(nothing, "empty");
    empty.colSpan = columns;
    body.replaceChildren(row([empty]));
  }
}

function chart(name, steps, hours, now) {
  const width = 240, height = 40, span = hours * 3600;
  const prices = steps.map(([, cents]) => cents);
  const most = Math.max(...prices), least = Math.min(...prices);
  const x = (at) => Math.max(0, (1 + at / span) * width).toFixed(1);
  const y = (cents) => (height - 4 - ((cents - least) / Math.max(1, most - least)) * (height - 8)).toFixed(1);
  let line = "";
  steps.forEach(([at, cents], index) => {
    line += index ? `H${x(at)}V${y(cents)}` : `M${x(at)} ${y(cents)}`;
  });
  const image = document.createElementNS(SVG, "svg");
  image.setAttribute("viewBox", `0 0 ${width} ${height}`);
  image.setAttribute("preserveAspectRatio", "none");
  image.setAttribute("role", "img");
  const label = `${name}: ${dollars(least)} to ${dollars(most)} in the last ${hours} hours, now ${dollars(now)}`;
  image.setAttribute("aria-label", label);
  const title = document.createElementNS(SVG, "title");
  title.textContent = label;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `${line}H${width}`);
  image.append(title, path);
  return image;
}

function draw(state) {
  const time = state.now.slice(0, 19).replace("T", " ");
  find("clock").textContent = `${time} UTC${state.is_frozen ? ", stopped" : ""} · ${state.model} market`;
  const figures = [
    ["Bids", state.counts.bids], ["Instances running", state.counts.instances],
    ["Volumes", state.counts.volumes], ["Reservations", state.counts.reservations],
    ["Spent", dollars(state.spent_cents)], ["Per hour now", dollars(state.rate_cents)],
  ];
  show("figures", figures, () => figures.map(([name, value]) => {
    const box = document.createElement("div");
    const term = document.createElement("dt");
    const figure = document.createElement("dd");
    term.textContent = name;
    figure.textContent = String(value);
    box.append(term, figure);
    return box;
  }));
  table("bids", state.bids, 6, "No bids.", (bid) => row([
    cell(bid.name, "name"), cell(bid.status, TONES[bid.status]), cell(bid.market, "market"), cell(bid.quantity, "number"),
    cell(dollars(bid.limit_cents), "number"), cell(dollars(bid.spent_cents), "number"),
  ]));
  table("instances", state.instances, 4, "No instances.", (one) => row([
    cell(one.name, "name"), cell(one.status, TONES[one.status]), cell(one.market, "market"), cell(one.ssh, "market"),
  ]));
  const markets = [...state.markets].sort((a, b) => (b.bids > 0) - (a.bids > 0));
  table("markets", markets, 5, "No markets.", (market) => row([
    cell(market.name, "market"), cell(dollars(market.price_cents), "number"), cell(dollars(market.floor_cents), "number"),
    cell(`${market.free} of ${market.capacity}`, "number"),
    cell(chart(market.name, market.history, state.hours, market.price_cents)),
  ], market.bids ? "" : "quiet"));
  document.title = `${state.counts.instances} running · flowplan sandbox`;
}

function trouble(text) {
  find("trouble").textContent = text;
  find("trouble").hidden = !text;
}

async function refresh() {
  try {
    const answer = await fetch("/live.json", { headers: { "X-Sandbox-View": token }, cache: "no-store" });
    if (answer.status === 401) {
      trouble("This address lacks its token. Open the one that “flowplan sandbox status” prints.");
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    draw(await answer.json());
    trouble("");
  } catch {
    trouble("The sandbox does not answer. It may have been stopped; this page tries on.");
  }
  setTimeout(refresh, PAUSE_MS);
}

refresh();
