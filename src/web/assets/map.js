// The network as the node knows it: distance rings with me in the middle, and the same as a table.

import { $, ago, counted, h, show, svg } from "./dom.js";

const SHOWN = 200;
const LABELLED = 40;
const RINGS = [0, 125, 220, 290];

// Who is on this network and not linked.
export const isStranger = (node) => node.nearby && !node.linked;

// How a user is reached, in words.
export function way(node) {
  if (node.me) return "this node";
  if (node.way === "direct") return node.rtt_ms === undefined ? "direct" : `direct ${node.rtt_ms.toFixed(1)} ms`;
  if (node.way === "through") return node.through === undefined ? "through others" : `through ${node.through}`;
  if (isStranger(node)) return "nearby";
  return node.since === undefined ? "away" : `away ${ago(new Date(node.since))}`;
}

function mail(node) {
  const keeper = node.relay ? "held for others" : "held for my other sessions";
  const held = node.me ? keeper : "of mine carried";
  return [
    node.held && `${counted(node.held, node.me ? "envelope" : "line")} ${held}`,
    node.waiting && `${counted(node.waiting, "line")} ${node.waiting === 1 ? "waits" : "wait"}`,
  ].filter(Boolean);
}

function role(node) {
  if (node.server) return "server";
  return node.relay ? "relay" : null;
}

const ring = (node) => node.distance ?? 3;

// Every node stands near the one through which it is linked, so that few lines cross.
function placed(nodes, edges) {
  const angles = new Map();
  const neighbours = new Map(nodes.map((node) => [node.id, []]));
  for (const [one, other] of edges) {
    neighbours.get(one)?.push(other);
    neighbours.get(other)?.push(one);
  }
  const places = new Map();
  for (const at of [0, 1, 2, 3]) {
    const here = nodes.filter((node) => ring(node) === at);
    const toward = (node) => neighbours.get(node.id).map((id) => angles.get(id)).find((angle) => angle !== undefined);
    const wanted = here.map((node, n) => [toward(node) ?? (2 * Math.PI * n) / here.length, node]);
    if (at > 1) wanted.sort((one, other) => one[0] - other[0]);
    wanted.forEach(([angle, node], n) => {
      // Nodes of one ring keep a distance of their share of the circle.
      const share = (2 * Math.PI) / here.length;
      const even = at === 1 ? share * n - 0.9 : Math.max(angle, n === 0 ? angle : wanted[n - 1].at + Math.min(share, 0.5));
      wanted[n].at = even;
      if (at > 0) angles.set(node.id, even);
      places.set(node.id, [RINGS[at] * Math.cos(even), RINGS[at] * Math.sin(even) * 0.8]);
    });
  }
  return places;
}

function shape(node, [x, y]) {
  const kind = { class: `node ${node.way === "away" && isStranger(node) ? "nearby" : node.way}` };
  if (role(node)) return svg("rect", { ...kind, x: x - 8, y: y - 8, width: 16, height: 16, rx: 3 });
  return svg("circle", { ...kind, cx: x, cy: y, r: node.me ? 11 : 8 });
}

function label(node, [x, y], isFull) {
  const lines = [[node.name, "name"]];
  if (isFull) {
    const words = [role(node), way(node)].filter(Boolean).join(", ");
    lines.push([words, "way"], ...mail(node).map((text) => [text, "mail"]));
  }
  return lines.map(([text, kind], n) => svg("text", { class: kind, x, y: y + 24 + 14 * n }, text));
}

function picture(map) {
  const nodes = map.nodes.slice(0, SHOWN);
  const places = placed(nodes, map.edges);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const rings = [1, 2, 3].filter((at) => nodes.some((node) => ring(node) === at)).map((at) =>
    svg("ellipse", { class: "ring", cx: 0, cy: 0, rx: RINGS[at], ry: RINGS[at] * 0.8 }),
  );
  const edges = map.edges.filter(([one, other]) => places.has(one) && places.has(other)).map(([one, other]) => {
    const [a, b] = [places.get(one), places.get(other)];
    const ends = [byId.get(one), byId.get(other)];
    // A link of mine is a path only while the other side is connected.
    const isPath = ends.some((end) => end.me) ? ends.every((end) => end.way === "direct") : ends.every((end) => end.online);
    return svg("line", { class: isPath ? "edge" : "edge away", x1: a[0], y1: a[1], x2: b[0], y2: b[1] });
  });
  const marks = nodes.map((node) => shape(node, places.get(node.id)));
  const labels = nodes.flatMap((node) => label(node, places.get(node.id), nodes.length <= LABELLED));
  const furthest = Math.max(...nodes.map(ring), 1);
  const [w, height] = [RINGS[furthest] + 95, RINGS[furthest] * 0.8 + 55];
  const name = `Map of ${counted(nodes.length, "user")}; the table below says the same`;
  const box = { viewBox: `${-w} ${-height + 30} ${2 * w} ${2 * height}`, role: "img", "aria-label": name };
  return svg("svg", box, ...rings, ...edges, ...marks, ...labels);
}

const DISTANCES = ["me", "linked", "two links away", "not linked"];

function row(node) {
  const distance = [DISTANCES[ring(node)], isStranger(node) && node.way !== "away" && "nearby", role(node)].filter(Boolean).join(", ");
  return h("tr", null,
    h("th", { scope: "row" }, node.name), h("td", null, distance), h("td", null, way(node)),
    h("td", null, mail(node).join(", ") || "none"));
}

export function draw(map) {
  const hidden = map.more + Math.max(0, map.nodes.length - SHOWN);
  show($("map-note"), hidden === 0 ? "live" : `live; ${counted(hidden, "user")} more are not shown`);
  $("picture").replaceChildren(picture(map));
  $("map").querySelector("tbody").replaceChildren(...map.nodes.slice(0, SHOWN).map(row));
}
