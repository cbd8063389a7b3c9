"use strict";
// Draws /v1/status. Everything that comes from nodes goes in as text, never as markup.
const $ = (id) => document.getElementById(id);
const el = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...kids.filter((k) => k !== null && k !== undefined && k !== ""));
  return e;
};
const size = (b) => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (b >= 1024 && i < units.length - 1) { b /= 1024; i++; }
  return (b >= 100 || i === 0 ? b.toFixed(0) : b.toFixed(1)) + " " + units[i];
};
const ago = (t) => {
  const s = Math.max(0, Math.round((Date.now() - new Date(t)) / 1000));
  if (s < 90) return s + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  return Math.round(s / 3600) + " h";
};

function facts(s) {
  const rows = [
    ["Cluster", s.cluster], ["Framework", s.framework || "not subscribed"], ["Leader", s.leader || "none"],
    ["System", s.systemId || "not formed"],
    ["MDM cluster", s.storage ? s.storage.mode + ", " + s.storage.state : "not seen"],
    ["Gates", s.gates.join(" · ") || "none open"],
  ];
  $("facts").replaceChildren(...rows.map(([k, v]) => el("div", "", el("span", "dim", k), el("strong", "", v))));
}

function capacity(s) {
  const p = s.storage && s.storage.pool;
  $("storage").hidden = !p || !p.rawBytes;
  if ($("storage").hidden) return;
  const bad = p.degradedBytes + p.failedBytes + p.unreachableBytes;
  const parts = [
    ["used", Math.max(0, p.inUseBytes - bad)], ["bad", bad], ["spare", p.spareBytes],
    ["free", Math.max(0, p.rawBytes - p.inUseBytes - p.spareBytes)],
  ];
  $("bar").replaceChildren(...parts.filter(([, b]) => b > 0).map(([name, b]) => {
    const part = el("span", name);
    part.style.flexGrow = b / p.rawBytes;
    part.title = name + " " + size(b);
    return part;
  }));
  $("bar").setAttribute("aria-label", parts.map(([n, b]) => n + " " + size(b)).join(", "));
  $("legend").replaceChildren(...parts.map(([name, b]) => el("span", "", el("i", name), name + " " + size(b))),
    el("span", "dim", "raw " + size(p.rawBytes) + ", two copies, " + p.volumes + " volumes, " + p.sparePercent + " % spare"));
}

function disks(n) {
  const box = el("div", "disks");
  for (const d of n.disks || []) {
    const chip = el("span", "disk " + d.state, d.path.replace("/dev/", ""));
    chip.title = [d.id, size(d.sizeBytes), d.state, d.reason, d.message].filter(Boolean).join("\n");
    box.append(chip);
  }
  return box;
}

function line(n) {
  const what = n.ready ? "" : [n.step, n.reason].filter(Boolean).join(": ");
  const cell = el("td", "what", el("div", "", what), el("div", "dim", n.ready ? "" : n.message));
  return el("tr", n.ready ? "" : "open",
    el("td", "", el("strong", "", n.name), el("div", "dim", n.address || n.hostname)),
    el("td", "", n.role || "undecided"), el("td", "", n.faultDomain || "–"),
    el("td", "", el("span", "pill " + (n.ready ? "good" : "work"), n.ready ? "Ready" : "Working")),
    cell, el("td", "", disks(n)), el("td", "dim", (n.task || "–").replace("TASK_", "").toLowerCase()),
    el("td", "dim", n.lastSeen ? ago(n.lastSeen) : "–"));
}

function draw(s) {
  const v = $("verdict");
  v.textContent = s.ready ? "Ready" : "Working";
  v.className = "pill " + (s.ready ? "good" : "work");
  const text = s.readOnly ? "Read-only: " + s.readOnly : s.hold ? "Held by " + s.hold.author + ": " + (s.hold.reason || "no reason given")
    : s.waiting ? "Waits for " + s.waiting : "";
  $("banner").textContent = text;
  $("banner").hidden = !text;
  $("banner").className = "banner" + (s.readOnly ? " bad" : "");
  facts(s);
  capacity(s);
  const open = (s.nodes || []).slice().sort((a, b) => a.ready - b.ready || a.name.localeCompare(b.name));
  $("nodes").replaceChildren(...open.map(line));
  $("events").replaceChildren(...(s.events || []).slice(-50).reverse().map((e) => el("li", "",
    el("time", "dim", new Date(e.time).toLocaleTimeString()), el("strong", "", e.kind), el("span", "", e.node || ""), el("span", "dim", e.message))));
}

async function refresh() {
  try {
    const r = await fetch("/v1/status", { cache: "no-store" });
    if (r.status === 401) { location.reload(); return; }
    draw(await r.json());
    $("fresh").textContent = "As of " + new Date().toLocaleTimeString() + ".";
    document.body.classList.remove("stale");
  } catch {
    $("fresh").textContent = "The scheduler can't be reached; storage goes on without it.";
    document.body.classList.add("stale");
  }
  setTimeout(refresh, document.hidden ? 15000 : 2000);
}
refresh();
