import type { TraceLine } from './trace-file.js';

/** One self-contained page that draws any iteration of a trace: the tree, what was accepted, probabilities, choices and times. */
export function tracePage(trace: readonly TraceLine[], title: string): string {
  // Inside a script element only "<" can end it early.
  const data = JSON.stringify(trace).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<header><h1>${escapeHtml(title)}</h1><p id="summary"></p></header>
<main>
  <nav id="list" aria-label="Iterations" tabindex="0"></nav>
  <section><p id="facts"></p><div id="tree"></div><p class="legend"><span class="key accepted"></span> accepted <span class="key refused"></span> tried and refused <span class="key"></span> not reached <span class="key next"></span> next token, chosen by the target. Arrow keys step through the iterations.</p></section>
</main>
<script type="application/json" id="data">${data}</script>
<script>${SCRIPT}</script>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#c9ced6, #454b55); --text: light-dark(#1c2128, #e6e8eb); --soft: light-dark(#5d6773, #9aa4b0);
  --ok: light-dark(#14804a, #3fb950); --bad: light-dark(#c2410c, #f0883e); --new: light-dark(#1d4ed8, #6ea8fe); --back: light-dark(#fff, #14171c); --panel: light-dark(#f5f6f8, #1c2027); }
* { box-sizing: border-box }
body { margin: 0; font: 14px/1.45 system-ui, sans-serif; color: var(--text); background: var(--back) }
header { padding: 14px 20px 6px; border-bottom: 1px solid var(--line) } h1 { font-size: 17px; margin: 0 } p { margin: 4px 0; color: var(--soft) }
main { display: grid; grid-template-columns: 250px 1fr; height: calc(100vh - 76px) }
nav { overflow: auto; border-right: 1px solid var(--line); background: var(--panel); outline-offset: -2px }
nav button { display: grid; grid-template-columns: 34px 1fr auto; gap: 6px; width: 100%; padding: 5px 12px; border: 0; background: none; font: inherit; color: inherit; text-align: left; cursor: pointer }
nav button[aria-current] { background: light-dark(#dbe7ff, #26344d) } nav .number { color: var(--soft); text-align: right } nav .bar { align-self: center; height: 7px; border-radius: 4px; background: var(--line); overflow: hidden } nav .bar i { display: block; height: 100%; background: var(--ok) }
section { overflow: auto; padding: 10px 20px } svg { display: block; font: 12px ui-monospace, monospace }
.edge { fill: none; stroke: var(--line); stroke-width: 1.4 } .edge.accepted { stroke: var(--ok); stroke-width: 2.4 } .edge.next { stroke: var(--new); stroke-dasharray: 4 3 }
.node rect { fill: var(--panel); stroke: var(--line) } .node.accepted rect { stroke: var(--ok); stroke-width: 2 } .node.refused rect { stroke: var(--bad); stroke-width: 1.6 } .node.next rect { stroke: var(--new); stroke-width: 2; stroke-dasharray: 4 3 }
.node text { fill: var(--text) } .node .small { fill: var(--soft); font-size: 10px }
.key { display: inline-block; width: 12px; height: 12px; border: 2px solid var(--line); border-radius: 3px; margin: 0 4px 0 12px; vertical-align: -1px } .key.accepted { border-color: var(--ok) } .key.refused { border-color: var(--bad) } .key.next { border-color: var(--new); border-style: dashed }
`;

const SCRIPT = String.raw`
const trace = JSON.parse(document.getElementById('data').textContent);
const list = document.getElementById('list');
const SVG = 'http://www.w3.org/2000/svg', WIDTH = 104, GAP = 42, ROW = 40;
const make = (name, attributes, parent, text) => {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
};
const label = (text, token) => text === undefined || text === '' ? '#' + token : JSON.stringify(text).slice(1, -1).replaceAll(' ', '␣');
const short = (text) => [...text].length > 11 ? [...text].slice(0, 10).join('') + '…' : text;
const ms = (value) => value === undefined ? '–' : value.toFixed(2) + ' ms';

const tokens = trace.reduce((sum, { accepted }) => sum + accepted.length, 0), drafted = trace.reduce((sum, entry) => sum + entry.tokens.length - 1, 0);
document.getElementById('summary').textContent = trace.length + ' iterations · ' + (tokens / trace.length).toFixed(2) + ' tokens per iteration · ' + (tokens - trace.length) + ' of ' + drafted + ' drafted nodes accepted';

const most = Math.max(...trace.map(({ accepted }) => accepted.length));
trace.forEach((entry, i) => {
  const button = document.createElement('button');
  button.innerHTML = '<span class="number">' + i + '</span><span class="bar"><i style="width:' + 100 * entry.accepted.length / most + '%"></i></span><span>' + entry.accepted.length + ' / ' + (entry.tokens.length - 1) + '</span>';
  button.title = entry.accepted.length + ' tokens from ' + (entry.tokens.length - 1) + ' drafted nodes';
  button.onclick = () => show(i);
  list.append(button);
});

/** Rows for the leaves, in order; a parent stands in the middle of its children. */
function layout({ tokens, parents }, children) {
  const depth = [], y = [];
  let leaves = 0;
  const place = (node, level) => {
    depth[node] = level;
    const own = children[node].map((child) => place(child, level + 1));
    return y[node] = own.length === 0 ? leaves++ : (own[0] + own[own.length - 1]) / 2;
  };
  if (tokens.length > 0) place(0, 0);
  return { depth, y, leaves };
}

let shown = 0;
function show(i) {
  shown = i;
  const entry = trace[i], { tokens, parents, accepted, next, choices, draftLogProbs, texts, strategy, ms: times = {} } = entry;
  [...list.children].forEach((button, k) => k === i ? (button.setAttribute('aria-current', 'true'), button.scrollIntoView({ block: 'nearest' })) : button.removeAttribute('aria-current'));
  document.getElementById('facts').textContent = 'Iteration ' + i + ' · ' + strategy + ' · draft ' + ms(times.draft) + ', verify ' + ms(times.verify) + ', commit ' + ms(times.commit);
  const children = tokens.map(() => []);
  parents.forEach((parent, node) => { if (parent >= 0) children[parent].push(node); });
  const last = accepted[accepted.length - 1], kept = new Set(accepted);
  const { depth, y, leaves } = layout(entry, children);
  const levels = Math.max(...depth) + 2, svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('width', levels * (WIDTH + GAP) + 20); svg.setAttribute('height', (leaves + 1.5) * ROW + 20);
  const at = (node) => [10 + depth[node] * (WIDTH + GAP), 14 + y[node] * ROW];
  const edge = (from, x, top, kind) => { const [fx, fy] = at(from), a = fx + WIDTH; make('path', { class: 'edge ' + kind, d: 'M' + a + ' ' + (fy + 14) + ' C' + (a + GAP / 2) + ' ' + (fy + 14) + ' ' + (x - GAP / 2) + ' ' + (top + 14) + ' ' + x + ' ' + (top + 14) }, svg); };
  const box = (x, top, kind, text, small, title) => {
    const group = make('g', { class: 'node ' + kind, transform: 'translate(' + x + ' ' + top + ')' }, svg);
    make('rect', { width: WIDTH, height: 28, rx: 5 }, group);
    make('text', { x: 7, y: small ? 12 : 18 }, group, short(text));
    if (small) make('text', { x: 7, y: 24, class: 'small' }, group, small);
    make('title', {}, group, title);
  };
  parents.forEach((parent, node) => { if (parent >= 0) edge(parent, ...at(node), kept.has(node) ? 'accepted' : ''); });
  tokens.forEach((token, node) => {
    const kind = kept.has(node) ? 'accepted' : kept.has(parents[node]) ? 'refused' : '';
    const probability = draftLogProbs && node > 0 ? 'p ' + Math.exp(draftLogProbs[node]).toPrecision(2) : '';
    box(...at(node), kind, label(texts?.[node], token), probability, 'node ' + node + ', token ' + token + (choices ? '; the target chooses ' + choices[node] + ' after it' : '') + (draftLogProbs ? '; log-probability of its path ' + draftLogProbs[node].toFixed(3) : ''));
  });
  const [lx, ly] = at(last), top = leaves * ROW + 20, following = trace[i + 1];
  edge(last, lx + WIDTH + GAP, top, 'next');
  box(lx + WIDTH + GAP, top, 'next', label(following?.tokens[0] === next ? following.texts?.[0] : undefined, next), '', 'next token ' + next);
  document.getElementById('tree').replaceChildren(svg);
}
document.addEventListener('keydown', ({ key }) => {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[key];
  if (step && trace[shown + step]) show(shown + step);
});
show(0);
`;
