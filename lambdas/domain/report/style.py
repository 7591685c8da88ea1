"""How the report looks: light and dark, narrow and wide, on paper."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark;
  --paper: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #566273; --line: #dde2e9;
  --stops: #b3261e; --stops-tint: #fcebea; --harms: #8a5200; --harms-tint: #fdf1de;
  --note: #1f5fa8; --note-tint: #e9f1fb; --good: #1c6b3c; --good-tint: #e6f4eb;
  --train: #2f6fb5; --test: #d07a1d; --track: #e9edf2; }
@media screen and (prefers-color-scheme: dark) { :root {
  --paper: #12161c; --card: #1a2029; --ink: #e7ebf1; --soft: #a3afbf; --line: #2d3643;
  --stops: #ff9d94; --stops-tint: #3a1d1c; --harms: #f2bd6b; --harms-tint: #35291a;
  --note: #93c1f7; --note-tint: #1b2a3d; --good: #86d7a4; --good-tint: #193024;
  --train: #6aa6e8; --test: #e79a4a; --track: #262e39; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
main { padding-bottom: 64px; }
.kicker { margin: 0; color: var(--soft); font-size: 14px; }
h1 { margin: 2px 0 20px; font-size: 28px; line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 44px 0 14px; font-size: 21px; font-weight: 650; }
h3 { margin: 0; font-size: 17px; line-height: 1.4; font-weight: 650; overflow-wrap: anywhere; }
h4 { margin: 0 0 2px; font-size: 13px; font-weight: 600; color: var(--soft); }
p { margin: 0; }
a { color: var(--note); }
.verdict { padding: 16px 20px; border-radius: 10px; border-left: 5px solid currentColor; font-size: 19px;
  font-weight: 650; }
.verdict.stops, .tag.stops { color: var(--stops); background: var(--stops-tint); }
.verdict.harms, .tag.harms { color: var(--harms); background: var(--harms-tint); }
.verdict.good { color: var(--good); background: var(--good-tint); }
.tag.note { color: var(--note); background: var(--note-tint); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 16px 0 0; }
.figures div { padding: 12px 16px;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.figures dt { color: var(--soft); font-size: 14px; }
.figures dd { margin: 0; font-size: 24px; font-weight: 650; font-variant-numeric: tabular-nums; }
.figures dd small { font-size: 14px; font-weight: 400; color: var(--soft); }
.index { margin: 16px 0 0; padding: 14px 20px; list-style: none; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }
.index li { display: flex; gap: 10px; align-items: baseline; padding: 3px 0; overflow-wrap: anywhere; }
.index a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 3px; }
.tag { flex: none; min-width: 66px; padding: 1px 8px; border-radius: 5px; font-size: 13px; font-weight: 600;
  text-align: center; }
.lead { color: var(--soft); margin: -8px 0 14px; }
.finding { margin: 0 0 16px; padding: 18px 20px 20px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.finding > .head { display: flex; gap: 12px; align-items: baseline; }
.advice { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 28px; margin-top: 12px; }
.details { margin: 14px 0 0; padding: 0; list-style: none; columns: 2; column-gap: 28px; font-size: 15px; }
.details.one { columns: 1; }
.details li { break-inside: avoid; overflow-wrap: anywhere; padding: 1px 0; }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--note); font-size: 15px; }
.source { margin-top: 12px; font-size: 14px; overflow-wrap: anywhere; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(148px, 1fr)); gap: 14px 12px;
  margin: 16px 0 0; padding: 0; list-style: none; }
.gallery figure { margin: 0; min-width: 0; }
.gallery li { min-width: 0; }
.picture { display: block; overflow: visible; width: 100%; height: 128px; padding: 4px;
  background: var(--track); border-radius: 6px; }
.missing { display: flex; align-items: center; justify-content: center; height: 128px; padding: 12px;
  background: var(--track); border: 1px dashed var(--soft); border-radius: 6px; color: var(--soft);
  font-size: 13px; text-align: center; }
.picture path, .picture circle { fill: none; vector-effect: non-scaling-stroke; }
.under { stroke: #000; stroke-width: 4px; stroke-opacity: .55; }
.over { stroke-width: 2px; }
.over:not(.c0) { stroke-dasharray: 7 4; }
.c0 { stroke: #ffd23f; --c: #ffd23f; } .c1 { stroke: #4de1ff; --c: #4de1ff; }
.c2 { stroke: #ff7ab8; --c: #ff7ab8; } .c3 { stroke: #8cf26b; --c: #8cf26b; }
.c4 { stroke: #ff9a52; --c: #ff9a52; } .c5 { stroke: #c9a6ff; --c: #c9a6ff; }
figcaption { margin-top: 5px; font-size: 13px; line-height: 1.4; color: var(--soft);
  overflow-wrap: anywhere; }
figcaption .what { color: var(--ink); }
figcaption .key { display: block; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.swatch { display: inline-block; width: 10px; height: 10px; margin-right: 4px; border-radius: 2px;
  background: var(--c); border: 1px solid #0006; }
.legend { display: flex; gap: 18px; margin: 0 0 10px; font-size: 14px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 2px; }
.bar i.train, .legend i.train { background: var(--train); }
.bar i.test, .legend i.test { background: var(--test); }
.card { padding: 16px 20px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 15px; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 6px; text-align: left; font-weight: 650; }
th, td { padding: 5px 0 5px 14px; text-align: right; border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-size: 13px; font-weight: 600; vertical-align: bottom; }
th:first-child { padding-left: 0; text-align: left; font-weight: 500; overflow-wrap: anywhere; }
.labels th:first-child { min-width: 96px; }
td.wide { width: 38%; }
thead th.wide { text-align: left; }
.charts th { white-space: nowrap; }
.bar { display: flex; height: 12px; min-width: 40px; background: var(--track);
  border-radius: 3px; overflow: hidden; }
.bar i { display: block; height: 100%; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 16px;
  margin-top: 16px; }
.charts td.wide { width: 46%; }
footer { margin-top: 40px; color: var(--soft); font-size: 14px; }
:focus-visible { outline: 2px solid var(--note); outline-offset: 2px; }
@media (max-width: 640px) {
  header { padding-top: 22px; } main, header { padding-left: 14px; padding-right: 14px; }
  h1 { font-size: 23px; } .verdict { font-size: 17px; padding: 13px 15px; }
  .figures { grid-template-columns: 1fr 1fr; gap: 8px; } .figures dd { font-size: 20px; }
  .finding, .card { padding: 14px; } .finding > .head { display: block; } .tag { display: inline-block; }
  .finding .tag { margin-bottom: 6px; }
  .advice, .charts { grid-template-columns: 1fr; } .details { columns: 1; }
  .gallery { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .labels td.wide, .labels thead th.wide { display: none; } th, td { padding-left: 9px; font-size: 14px; }
  .index { padding: 10px 14px; } }
@media print { body { background: #fff; font-size: 11pt; }
  .finding, .charts table, figure { break-inside: avoid; }
  .bar i, .swatch, .tag, .verdict, .picture { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details > *:not(summary) { display: block; } }
"""
