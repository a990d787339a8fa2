/** The style of the page: light or dark as the reader's system is, and on paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #16191d; --soft: #5a626d; --rule: #dfe3e8;
  --well: #2f6fce; --failed: #c8352b; --lost: #b7791f; --active: #16805a; --line: #7a3fb8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --card: #191d23; --ink: #e8eaed; --soft: #a2abb6; --rule: #2e343c;
    --well: #6ea3f2; --failed: #f2766d; --lost: #e0ac52; --active: #4fc394; --line: #c39aef;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); }
section, .totals > div {
  background: var(--card); border: 1px solid var(--rule); border-radius: .6rem;
  padding: 1rem; margin: 1rem 0 0; overflow-x: auto;
}
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: .75rem; margin: 1rem 0 0; }
.totals > div { padding: .75rem; margin: 0; }
.totals dt { color: var(--soft); font-size: .85rem; }
.totals dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); column-gap: 1rem; }
.pair > section { min-width: 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--rule); vertical-align: top; }
thead td { border: 0; }
thead th { border: 0; color: var(--soft); font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.id code { white-space: nowrap; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { width: 22%; min-width: 5rem; vertical-align: middle; } td.bar svg { width: 100%; height: .8rem; display: block; }
code { font: .85rem ui-monospace, "DejaVu Sans Mono", Menlo, monospace; overflow-wrap: anywhere; }
details { margin-top: .75rem; } summary { cursor: pointer; color: var(--soft); }
svg.chart { display: block; width: 100%; height: auto; }
svg.full { min-width: 40rem; } svg.half { min-width: 22rem; }
svg text { fill: var(--soft); font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
svg .rule { stroke: var(--rule); stroke-width: 1; }
svg .well, .key .well { fill: var(--well); } svg .failed, .key .failed { fill: var(--failed); }
svg .lost, .key .lost { fill: var(--lost); } svg .active, .key .active { fill: var(--active); }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .median { stroke: var(--well); } svg .p95 { stroke: var(--line); }
svg .dot-median { fill: var(--well); } svg .dot-p95 { fill: var(--line); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1rem; color: var(--soft); font-size: .85rem; margin-bottom: .5rem; }
.key svg { width: .8rem; height: .8rem; vertical-align: -.1rem; margin-right: .35rem; }
@media print { body { background: none; padding: 0; } section { break-inside: avoid; } }
@media (max-width: 40rem) { body { padding: .75rem; } .pair { grid-template-columns: 1fr; } }
`;
