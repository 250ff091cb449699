/**
 * page-style.ts: how the status page looks, light and dark. Colours never stand alone: what they say is also in words.
 */
export const PAGE_STYLE = String.raw`
:root {
  color-scheme: light dark;
  --ground: #f5f6f8; --card: #ffffff; --line: #e0e4ea; --text: #1b2330; --quiet: #5a6678; --accent: #0b5cad;
  --good: #17683a; --good-ground: #e2f4e9; --bad: #a8200d; --bad-ground: #fdeae6; --warn: #7a4d00; --warn-ground: #fdf1d8;
  --hover: #eef2f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10141a; --card: #181e27; --line: #2b3442; --text: #e3e8ef; --quiet: #9aa7b8; --accent: #7db8f5;
    --good: #7fd6a2; --good-ground: #143524; --bad: #ff9d8c; --bad-ground: #43190f; --warn: #f2c46b; --warn-ground: #3a2b0b;
    --hover: #202835;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
header, main { max-width: 78rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.25rem; padding-top: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 0; }
header p { margin: 0; color: var(--quiet); }
header p:last-child { margin-left: auto; }
.banner { margin: 1rem 0 0; padding: .6rem .9rem; border-radius: .5rem; background: var(--bad-ground); color: var(--bad); font-weight: 600; }
.health { margin: 1rem 0 0; padding: .6rem .9rem; border-radius: .5rem; background: var(--warn-ground); color: var(--warn); font-weight: 600; }
.health.good { background: var(--good-ground); color: var(--good); }
.problems { margin: .5rem 0 0; padding-left: 1.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem; }
.tiles dt { color: var(--quiet); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: 0 0 1rem; padding: .9rem 0 .4rem; }
section > .title { display: flex; flex-wrap: wrap; align-items: baseline; gap: .75rem; padding: 0 .9rem .5rem; }
section > .title span { color: var(--quiet); }
.find { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; margin: 0 0 1rem; }
.find input[type="search"] {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .4rem .7rem; width: min(26rem, 100%);
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .9rem; border-top: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
thead th { border-top: 0; color: var(--quiet); font-weight: 500; font-size: .85rem; }
th[scope="row"] { font-weight: 600; }
.number { text-align: right; }
td.wide { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
tr.entry:hover { background: var(--hover); }
tr.inner > td { padding: .2rem .9rem .9rem 2.2rem; border-top: 0; white-space: normal; }
tr.inner h3 { font-size: .9rem; margin: .6rem 0 .2rem; }
tr.inner table { font-size: .93rem; }
button.toggle {
  font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: left;
  white-space: normal; overflow-wrap: anywhere;
}
button.toggle::before { content: "\25b8"; display: inline-block; width: 1.1rem; color: var(--quiet); }
button.toggle[aria-expanded="true"]::before { content: "\25be"; }
.tag { display: inline-block; border-radius: .35rem; padding: 0 .45rem; font-size: .88rem; background: var(--hover); color: var(--quiet); }
.tag.good { background: var(--good-ground); color: var(--good); }
.tag.bad { background: var(--bad-ground); color: var(--bad); }
.tag.warn { background: var(--warn-ground); color: var(--warn); }
.tags { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; margin: 0; padding: 0; }
td .tags { flex-wrap: nowrap; }
.quiet { color: var(--quiet); }
.more, .none { color: var(--quiet); margin: 0; padding: .5rem .9rem; border-top: 1px solid var(--line); }
tr.inner .more { border: 0; padding-left: .9rem; }
body.stale main > :not(.banner) { opacity: .6; }
`;
