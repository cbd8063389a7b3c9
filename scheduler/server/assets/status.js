"use strict";
// Draws /v1/status. Everything that comes from nodes goes in as text, never as markup.
const most = 200; // rows of a table; what needs a person comes first, so what is left out is well
const $ = (id) => document.getElementById(id);
const el = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...kids.filter((k) => k !== null && k !== undefined && k !== ""));
  return e;
};
// A narrow screen shows rows as cards, with each cell's head before it.
const cell = (head, cls, ...kids) => {
  const td = el("td", cls, ...kids);
  td.dataset.head = head;
  return td;
};
const pill = (kind, text) => el("span", "pill " + kind, text);
const size = (b) => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (b >= 1024 && i < units.length - 1) { b /= 1024; i++; }
  return (b >= 100 || i === 0 || b % 1 === 0 ? b.toFixed(0) : b.toFixed(1)) + " " + units[i];
};
const ago = (t) => {
  const s = Math.max(0, Math.round((Date.now() - new Date(t)) / 1000));
  if (s < 90) return s + " s ago";
  if (s < 5400) return Math.round(s / 60) + " min ago";
  if (s < 129600) return Math.round(s / 3600) + " h ago";
  return Math.round(s / 86400) + " d ago";
};
const moment = (t) => {
  const d = new Date(t);
  const today = d.toDateString() === new Date().toDateString();
  return today ? d.toLocaleTimeString() : d.toLocaleString();
};
const rest = (all, what) => all.length > most ? "… and " + (all.length - most) + " more " + what + "; scaleio-scheduler status --json has all." : "";

function verdict(s) {
  const nodes = s.nodes || [];
  const ready = nodes.filter((n) => n.ready).length;
  $("verdict").className = "verdict " + (s.ready ? "good" : "work");
  $("verdict").replaceChildren(el("strong", "", s.ready ? "Ready" : "Not ready"),
    ready + " of " + nodes.length + " nodes are Ready" + (s.waiting ? "; waits for " + s.waiting : ""));
  const lines = [];
  if (s.readOnly) lines.push("Read-only: " + s.readOnly);
  if (s.hold) {
    lines.push("Held by " + s.hold.author + ": " + (s.hold.reason || "no reason given") + (s.hold.until ? " (until " + moment(s.hold.until) + ")" : ""));
  }
  $("banner").replaceChildren(...lines.map((l) => el("span", "", l)));
  $("banner").hidden = lines.length === 0;
}

function facts(s) {
  const v = s.storage;
  const rows = [
    ["Leader", s.leader || "none"],
    ["MDM cluster", v ? v.mode + ", " + v.state : "not seen"],
    ["MDMs", v && v.members ? v.members.map((mdm) => mdm.name + " " + mdm.role).join(", ") : "none"],
    ["System", s.systemId || "not formed"],
    ["Growth", s.growth ? growth(s.growth) : "off"],
    ["Gates", s.gates && s.gates.length ? s.gates.join(", ") : "none open"],
    ["Cluster", s.cluster, "id"], ["Framework", s.framework || "not subscribed", "id"],
  ];
  $("facts").replaceChildren(...rows.map(([k, v, cls]) => el("div", "", el("span", "dim", k), el("strong", cls, v))));
}

// growth in a line: how full, when fuller, what waits for a person, what it costs.
function growth(g) {
  const left = (ms) => ms < 7.2e6 ? Math.round(ms / 6e4) + " min" : ms < 1.728e8 ? Math.round(ms / 3.6e6) + " h" : Math.round(ms / 8.64e7) + " days";
  const f = g.forecast, parts = [g.mode];
  if (g.usableBytes) parts.push(g.fullnessPercent.toFixed(1) + " % of " + g.thresholdPercent + " %");
  if (f && f.fullMs) parts.push("full in " + left(f.fullMs));
  for (const e of g.expansions || []) {
    if (e.state === "proposed" || e.state === "buying") parts.push(e.state + ": " + e.what);
  }
  if (g.monthlyCents) parts.push((g.priced ? "$" : "at least $") + (g.monthlyCents / 100).toFixed(2) + " a month");
  if (g.orphans && g.orphans.length) parts.push(g.orphans.length + " volumes paid for in vain");
  return parts.join("; ");
}

function capacity(s) {
  const p = s.storage && s.storage.pool;
  $("storage").hidden = !p || !p.rawBytes;
  if ($("storage").hidden) return;
  const bad = p.degradedBytes + p.failedBytes + p.unreachableBytes;
  const parts = [
    ["used", Math.max(0, p.inUseBytes - bad)], ["unprotected", bad], ["spare", p.spareBytes],
    ["free", Math.max(0, p.rawBytes - p.inUseBytes - p.spareBytes)],
  ];
  $("bar").replaceChildren(...parts.filter(([, b]) => b > 0).map(([name, b]) => {
    const part = el("span", name);
    part.style.flexGrow = b / p.rawBytes;
    part.title = name + " " + size(b);
    return part;
  }));
  $("bar").setAttribute("aria-label", parts.map(([n, b]) => n + " " + size(b)).join(", "));
  $("legend").replaceChildren(...parts.filter(([name, b]) => b > 0 || name === "used").map(([name, b]) => el("span", "", el("i", name), name + " " + size(b))),
    el("span", "dim", size(p.rawBytes) + " raw, everything kept twice; " + p.volumes + (p.volumes === 1 ? " volume" : " volumes")
      + (p.rebuildBytes ? "; " + size(p.rebuildBytes) + " to rebuild" : "")));
}

// What a disk's state is to a person, and in which order it wants to be read.
const rank = (d) => d.reason === "WaitingForApproval" ? 0 : ["offered", "claimed", "prepared"].includes(d.state) ? 1 : d.state === "refused" ? 2 : 3;
const called = ["to approve", "coming", "refused", "in the pool"];
const kind = ["work", "work", "plain", "good"];

function counts(n) {
  const sum = [0, 0, 0, 0];
  for (const d of n.disks || []) sum[rank(d)]++;
  return [3, 1, 0, 2].filter((i) => sum[i] > 0).map((i) => sum[i] + " " + called[i]).join(", ") || "none";
}

function nodes(s) {
  const all = (s.nodes || []).slice().sort((a, b) => a.ready - b.ready || a.name.localeCompare(b.name, undefined, { numeric: true }));
  $("nodes").replaceChildren(...all.slice(0, most).map((n) => {
    const what = [n.step, n.reason].filter(Boolean).join(": ") || "waits for its first report";
    return el("tr", n.ready ? "" : "open",
      cell("Node", "", el("div", "", el("strong", "", n.name), el("div", "dim", n.address || n.hostname))),
      cell("Role", "tight", n.role || "undecided"), cell("Domain", "", n.faultDomain || "–"),
      cell("State", "", n.ready ? pill("good", "✓ Ready") : pill("work", "Not ready")),
      n.ready ? cell("Step", "what none", el("span", "dim", "–")) : cell("Step", "what", el("div", "", el("div", "", what), el("div", "dim", n.message))),
      cell("Disks", "", counts(n)), cell("Task", "dim", (n.task || "–").replace("TASK_", "").toLowerCase()),
      cell("Seen", "dim tight", n.lastSeen ? ago(n.lastSeen) : "never"));
  }));
  $("more-nodes").textContent = all.length ? rest(all, "nodes") : "No node has joined yet.";
}

function disks(s) {
  const all = (s.nodes || []).flatMap((n) => (n.disks || []).map((d) => [rank(d), n, d]));
  all.sort(([a, m, d], [b, n, e]) => a - b || m.name.localeCompare(n.name, undefined, { numeric: true }) || d.path.localeCompare(e.path, undefined, { numeric: true }));
  $("disk-section").hidden = all.length === 0;
  $("disks").replaceChildren(...all.slice(0, most).map(([r, n, d]) => el("tr", "",
    cell("Node", "", n.name), cell("Disk", "what", el("div", "", el("strong", "", d.path), el("div", "dim", d.id))),
    cell("Size", "tight", size(d.sizeBytes)), cell("State", "", pill(kind[r], called[r])),
    cell("Why", "what", el("div", "", el("div", "", d.reason || (r === 1 ? d.state : "")), el("div", "dim", d.message))))));
  $("more-disks").textContent = rest(all, "disks");
}

function events(s) {
  $("event-section").hidden = !s.events || s.events.length === 0;
  $("events").replaceChildren(...(s.events || []).slice(-50).reverse().map((e) => el("li", "",
    el("time", "dim", moment(e.time)), el("strong", "", e.kind), el("span", "", e.node), el("span", "dim", e.message))));
}

function draw(s) {
  for (const part of [verdict, facts, capacity, nodes, disks, events]) part(s);
}

async function refresh() {
  let pause = 2000;
  try {
    const r = await fetch("/v1/status", { cache: "no-store" });
    if (r.status === 401) { location.reload(); return; }
    if (!r.ok) throw new Error("the scheduler answers " + r.status);
    const s = await r.json();
    draw(s);
    if ((s.nodes || []).length > most) pause = 15000;
    $("fresh").textContent = "As of " + new Date().toLocaleTimeString() + ".";
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
    $("verdict").className = "verdict bad";
    $("verdict").replaceChildren(el("strong", "", "Unknown"), "the scheduler can't be reached; storage goes on without it. What is below is old.");
  }
  setTimeout(refresh, document.hidden ? 15000 : pause);
}
refresh();
