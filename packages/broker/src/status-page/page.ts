/**
 * page.ts: the status page as one HTML document: markup, style and script in it, nothing elsewhere.
 *
 * The document is the same for every broker and every moment; what it shows comes from /status.json.
 * Invariants:
 *   H1  the content security policy allows this style, this script and requests to this very port, and nothing else: markup that got
 *       into the document could neither run nor load anything
 *   H2  no handler stands in an attribute
 * Source: Content Security Policy Level 3 (hashes); Trusted Types (no text becomes markup in the script).
 */
import type { OpsPage } from "../ops/index.js";
import { PAGE_SCRIPT } from "./page-script.js";
import { PAGE_STYLE } from "./page-style.js";

/** @param sha256 gives the hash of a text in UTF-8, in base64. */
export function statusPage(sha256: (text: string) => string): OpsPage {
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${sha256(PAGE_SCRIPT)}'`,
    `style-src 'sha256-${sha256(PAGE_STYLE)}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return { html: HTML, contentSecurityPolicy: policy.join("; ") };
}

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Varve</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>Varve</h1>
<p id="cluster"></p>
<p id="source"></p>
<p id="updated"></p>
</header>
<main>
<noscript><p class="banner">This page needs JavaScript. The same figures are at /status.json and /metrics.</p></noscript>
<p id="lost" class="banner" role="alert" hidden></p>
<p id="health" class="health" role="status">Asking the broker.</p>
<ul id="problems" class="problems"></ul>
<p id="problems-more" class="quiet"></p>
<dl class="tiles">
<div><dt>Brokers ready</dt><dd id="tile-brokers">…</dd></div>
<div><dt>Topics</dt><dd id="tile-topics">…</dd></div>
<div><dt>Partitions led</dt><dd id="tile-led">…</dd></div>
<div><dt>Fully replicated</dt><dd id="tile-replicated">…</dd></div>
<div><dt>Groups</dt><dd id="tile-groups">…</dd></div>
<div><dt>Lag of groups, records</dt><dd id="tile-lag">…</dd></div>
</dl>
<section aria-labelledby="brokers-title">
<div class="title"><h2 id="brokers-title">Brokers</h2></div>
<div id="brokers">${table("Brokers", ["Broker", "State", "Address", "Rack", "Version", "Controller", "#Leads", "#Replicas", "Why not ready"])}</div>
</section>
<div class="find" role="search">
<label for="search">Find topics and groups</label>
<input id="search" type="search" autocomplete="off" spellcheck="false">
<label><input id="ill" type="checkbox"> only what is not well or lags</label>
</div>
<section aria-labelledby="topics-title">
<div class="title"><h2 id="topics-title">Topics</h2><span id="topics-count"></span></div>
${table("Topics", ["Topic", "#Partitions", "#Replicas", "#Records", "#Size", "State"], "topics-body")}
<p id="topics-none" class="none" hidden>No topics.</p>
</section>
<section aria-labelledby="groups-title">
<div class="title"><h2 id="groups-title">Consumer groups</h2><span id="groups-count"></span></div>
${table("Consumer groups", ["Group", "State", "#Members", "#Lag, records", "#Lag, time", "Coordinator"], "groups-body")}
<p id="groups-none" class="none" hidden>No groups.</p>
</section>
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;

/** Columns that begin with # hold numbers. */
function table(label: string, columns: readonly string[], bodyId?: string): string {
  const head = columns
    .map(
      (column) => `<th scope="col"${column.startsWith("#") ? ' class="number"' : ""}>${column.replace("#", "")}</th>`,
    )
    .join("");
  const body = bodyId === undefined ? "<tbody>" : `<tbody id="${bodyId}">`;
  return `<div class="scroll"><table aria-label="${label}"><thead><tr>${head}</tr></thead>${body}</tbody></table></div>`;
}
