/**
 * page-script.ts: what the status page does in the browser: asks for /status.json, and writes what has changed into the document.
 *
 * The texts below are plain JavaScript with types in JSDoc; a test has the TypeScript compiler check them together. They are concatenated
 * into one function scope by page.ts.
 * Invariants:
 *   P1  whatever the status holds reaches the document as text or as an attribute's value, never as markup: no innerHTML and its kin
 *   P2  rows are kept from one status to the next by their keys, so that focus, selection and what is open stay as they are
 *   P3  a list draws at most ROWS_MAX rows and says how many more there are
 */

/** Numbers, sizes and times in words. */
const FORMAT = String.raw`
const whole = new Intl.NumberFormat("en");
/** @param {number | null} value */
const count = (value) => (value === null ? "unknown" : whole.format(value));
/** @param {number} value @param {string} one @param {string} [many] */
const counted = (value, one, many = one + "s") => whole.format(value) + " " + (value === 1 ? one : many);
/** @param {number | null} value */
const bytes = (value) => {
  if (value === null) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let left = value;
  while (left >= 1024 && at < units.length - 1) {
    left /= 1024;
    at++;
  }
  return (at === 0 || left >= 100 ? whole.format(Math.round(left)) : left.toFixed(1)) + " " + units[at];
};
/** @param {number | null} ms */
const duration = (ms) => {
  if (ms === null) return "unknown";
  if (ms === 0) return "0 s";
  if (ms < 1000) return Math.round(ms) + " ms";
  const steps = /** @type {[number, string][]} */ ([[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]);
  let left = Math.round(ms / 1000);
  const parts = [];
  for (const [seconds, unit] of steps) {
    if (left >= seconds) parts.push(Math.floor(left / seconds) + " " + unit);
    left %= seconds;
  }
  return parts.slice(0, 2).join(" ");
};
/** [0, 1, 2, 5] is "0-2, 5". @param {readonly number[]} numbers */
const ranges = (numbers) => {
  const sorted = [...numbers].sort((left, right) => left - right);
  const parts = [];
  for (let at = 0; at < sorted.length; at++) {
    const first = sorted[at];
    while (sorted[at + 1] === sorted[at] + 1) at++;
    parts.push(first === sorted[at] ? String(first) : first + "\u2013" + sorted[at]);
  }
  return parts.join(", ");
};
`;

/** Elements, and lists of them that are kept in step with data. */
const ELEMENTS = String.raw`
const ROWS_MAX = 500;
/** @param {string} id @returns {HTMLElement} */
const byId = (id) => {
  const found = document.getElementById(id);
  if (found === null) throw new Error("no element " + id);
  return found;
};
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} [className] @param {string | Node | (string | Node)[]} [content]
 */
const element = (tag, className = "", content = []) => {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
};
/** Writes only what differs: a reader of the screen hears no repeats. @param {Element} target @param {string} text */
const setText = (target, text) => {
  if (target.textContent !== text) target.textContent = text;
};
/**
 * Brings the children of a parent in step with items (P2).
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => HTMLElement} make
 * @param {(element: HTMLElement, item: Item) => void} update
 */
const keep = (parent, items, keyOf, make, update) => {
  /** @type {Map<string | undefined, HTMLElement>} */
  const known = new Map();
  for (const child of parent.children) if (child instanceof HTMLElement) known.set(child.dataset.key, child);
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = key;
    }
    known.delete(key);
    update(child, item);
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  for (const gone of known.values()) gone.remove();
};
/**
 * A cell is a text, or elements; a signature tells whether they must be made anew.
 * @typedef {{ text: string, className?: string, header?: boolean } | { sign: string, make: () => Node, className?: string }} Cell
 * @param {HTMLElement} row @param {readonly Cell[]} cells
 */
const setCells = (row, cells) => {
  cells.forEach((cell, at) => {
    let target = row.children[at];
    if (target === undefined) {
      target = element("header" in cell && cell.header ? "th" : "td", cell.className);
      if (target instanceof HTMLTableCellElement && target.tagName === "TH") target.scope = "row";
      row.append(target);
    }
    if ("text" in cell) setText(target, cell.text);
    else if (target instanceof HTMLElement && target.dataset.sign !== cell.sign) {
      target.dataset.sign = cell.sign;
      target.replaceChildren(cell.make());
    }
  });
};
/** @param {string} text @param {string} [className] @returns {Cell} */
const cell = (text, className) => (className === undefined ? { text } : { text, className });
/** @param {string} text @returns {Cell} */
const number = (text) => ({ text, className: "number" });
/** @param {string} text @returns {Cell} */
const heading = (text) => ({ text, header: true });
/** @param {string} text @param {string} tone @returns {Cell} */
const tag = (text, tone) => ({ sign: tone + "\n" + text, make: () => element("span", "tag " + tone, text) });
/** @param {readonly { text: string, tone: string }[]} list @returns {Cell} */
const tags = (list) => ({
  sign: JSON.stringify(list),
  make: () => {
    const items = element("ul", "tags");
    items.append(...list.map(({ text, tone }) => element("li", "tag " + tone, text)));
    return items;
  },
});
/**
 * A table whose body is filled later. Columns that begin with # hold numbers.
 * @param {string} caption @param {readonly string[]} columns
 */
const table = (caption, columns) => {
  const head = element("tr");
  for (const column of columns) {
    const title = element("th", column.startsWith("#") ? "number" : "", column.replace("#", ""));
    title.scope = "col";
    head.append(title);
  }
  const made = element("table");
  made.setAttribute("aria-label", caption);
  made.append(element("thead", "", head), element("tbody"));
  return element("div", "scroll", made);
};
/**
 * Draws at most ROWS_MAX items into a table's body, and says how many there are beyond (P3).
 * @template Item
 * @param {Element} holder the element with the table in it
 * @param {readonly Item[]} items @param {string} what
 * @param {(item: Item) => string} keyOf @param {(row: HTMLElement, item: Item) => void} update
 * @param {number} [omitted] that the status itself left out
 */
const fill = (holder, items, what, keyOf, update, omitted = 0) => {
  const body = holder.querySelector("tbody");
  if (body === null) throw new Error("no table");
  keep(body, items.slice(0, ROWS_MAX), keyOf, () => element("tr", "entry"), update);
  let note = holder.querySelector(":scope > .more");
  const beyond = items.length - Math.min(items.length, ROWS_MAX) + omitted;
  if (beyond === 0) note?.remove();
  else {
    if (note === null) {
      note = element("p", "more");
      holder.append(note);
    }
    setText(note, "and " + counted(beyond, what) + " more");
  }
};
`;

/** Entries that open: one row with the name and the figures, one below it with the details, drawn while it is open. */
const ENTRIES = `
/** Keys of what is open. @type {Set<string>} */
const opened = new Set();
/**
 * @template Item
 * @typedef {object} Kind
 * @property {string} kind
 * @property {(item: Item) => string} nameOf
 * @property {number} columns
 * @property {(item: Item) => Cell[]} cells of the row, after its name
 * @property {() => Node[]} frame tables of the details, empty
 * @property {(details: HTMLElement, item: Item) => void} detail fills them
 */
/**
 * @template Item
 * @param {HTMLElement} body @param {readonly Item[]} items @param {Kind<Item>} kind
 */
const entries = (body, items, kind) => {
  /** @type {{ key: string, item: Item, inner: boolean }[]} */
  const rows = [];
  for (const item of items.slice(0, ROWS_MAX)) {
    const key = kind.kind + ":" + kind.nameOf(item);
    rows.push({ key, item, inner: false });
    if (opened.has(key)) rows.push({ key, item, inner: true });
  }
  keep(
    body,
    rows,
    ({ key, inner }) => (inner ? "inner " : "entry ") + key,
    ({ key, item, inner }) => (inner ? innerRow(key, kind) : entryRow(key, kind.nameOf(item))),
    (row, { key, item, inner }) => {
      if (inner) {
        const details = row.firstElementChild;
        if (details instanceof HTMLElement) kind.detail(details, item);
        return;
      }
      row.querySelector("button")?.setAttribute("aria-expanded", String(opened.has(key)));
      setCells(row, [{ sign: "name", make: () => element("span") }, ...kind.cells(item)]);
    },
  );
};
/** @param {string} key @param {string} name */
const entryRow = (key, name) => {
  const button = element("button", "toggle", name);
  button.type = "button";
  button.setAttribute("aria-controls", idOf(key));
  button.addEventListener("click", () => {
    if (!opened.delete(key)) opened.add(key);
    draw();
  });
  const head = element("th", "", button);
  head.scope = "row";
  head.dataset.sign = "name";
  return element("tr", "entry", head);
};
/** @template Item @param {string} key @param {Kind<Item>} kind */
const innerRow = (key, kind) => {
  const holder = element("td", "", kind.frame());
  holder.colSpan = kind.columns;
  const row = element("tr", "inner", holder);
  row.id = idOf(key);
  return row;
};
/** An id has no blanks. @param {string} key */
const idOf = (key) => "details-" + encodeURIComponent(key);
`;

/** The parts of the page. */
const SECTIONS = `
/** @typedef {import("./status.js").ClusterStatus} ClusterStatus */
/** @typedef {import("./status.js").TopicRow} TopicRow */
/** @typedef {import("./status.js").PartitionRow} PartitionRow */
/** @typedef {import("./status.js").GroupRow} GroupRow */
/** @param {readonly (number | null)[]} values */
const sum = (values) => values.reduce((total, value) => (total ?? 0) + (value ?? 0), 0);
/** @param {PartitionRow} partition */
const records = ({ highWatermark, logStart }) =>
  highWatermark === null || logStart === null ? null : highWatermark - logStart;
/** @param {PartitionRow} partition */
const isWell = ({ leader, replicas }) => leader !== null && replicas.every(({ inSync }) => inSync === true);
/** @param {number | null} lagMs @param {number | null} lagRecords @param {number} unknown */
const lagText = (lagMs, lagRecords, unknown) => {
  const more = unknown > 0 && lagRecords !== null ? "at least " : "";
  return { records: more + count(lagRecords), time: more + duration(lagMs) };
};

/** @param {ClusterStatus} status */
const drawBrokers = (status) => {
  fill(byId("brokers"), status.brokers, "broker", ({ broker }) => String(broker), (row, broker) =>
    setCells(row, [
      heading(String(broker.broker)),
      broker.ready ? tag("ready", "good") : tag("not ready", "bad"),
      cell(broker.address),
      cell(broker.rack ?? "none"),
      cell(broker.version),
      cell(broker.broker === status.controller ? "leads" : ""),
      number(count(broker.partitionsLed)),
      number(count(broker.replicas)),
      cell(broker.reasons.join("; "), "wide"),
    ]),
  );
};

/** @param {import("./status.js").ReplicaRow} replica @param {number | null} leader */
const replicaTag = ({ broker, inSync, lagEntries }, leader) => {
  if (inSync === null) return { text: broker + " unknown", tone: "warn" };
  if (broker === leader) return { text: broker + " leads", tone: "good" };
  if (inSync) return { text: broker + " in sync", tone: "good" };
  return { text: broker + (lagEntries === 0 ? " silent" : " behind by " + count(lagEntries)), tone: "bad" };
};
/** @type {Kind<TopicRow>} */
const TOPICS = {
  kind: "topic",
  nameOf: ({ topic }) => topic,
  columns: 6,
  cells: ({ partitions, replicas, internal }) => {
    const ill = partitions.filter((partition) => !isWell(partition)).length;
    return [
      number(count(partitions.length)),
      number(count(replicas)),
      number(count(sum(partitions.map(records)))),
      number(bytes(sum(partitions.map(({ sizeBytes }) => sizeBytes)))),
      tags([
        ...(ill > 0 ? [{ text: ill + " of " + counted(partitions.length, "partition") + " not well", tone: "bad" }] : [{ text: "well", tone: "good" }]),
        ...(internal ? [{ text: "internal", tone: "" }] : []),
      ]),
    ];
  },
  frame: () => [
    table("Partitions", ["Partition", "Leader", "#Epoch", "#Log start", "#High watermark", "#Size", "Replicas, by broker"]),
  ],
  detail: (details, { partitions }) => {
    const shown = onlyIll() ? partitions.filter((partition) => !isWell(partition)) : partitions;
    fill(details, shown, "partition", ({ partition }) => String(partition), (row, partition) =>
      setCells(row, [
        heading(String(partition.partition)),
        partition.leader === null ? tag("none", "bad") : tag("broker " + partition.leader, ""),
        number(count(partition.epoch)),
        number(count(partition.logStart)),
        number(count(partition.highWatermark)),
        number(bytes(partition.sizeBytes)),
        tags(partition.replicas.map((replica) => replicaTag(replica, partition.leader))),
      ]),
    );
  },
};

const STATES = { stable: "good", assigning: "warn", reconciling: "warn", empty: "" };
/** @type {Kind<GroupRow>} */
const GROUPS = {
  kind: "group",
  nameOf: ({ group }) => group,
  columns: 6,
  cells: (group) => {
    const lag = lagText(group.lagMs, group.lagRecords, group.lagUnknown);
    return [
      tag(group.state, STATES[group.state] ?? "warn"),
      number(count(group.memberCount)),
      number(lag.records),
      number(lag.time),
      cell("broker " + group.coordinator),
    ];
  },
  frame: () => {
    const members = element("div", "members", [
      element("h3", "", "Members"),
      table("Members", ["Member", "Static id", "Client", "Host", "Partitions"]),
    ]);
    const partitions = element("div", "partitions", [
      element("h3", "", "Partitions"),
      table("Lag by partition", ["Partition", "#Committed", "#Lag, records", "#Lag, time", "Member"]),
    ]);
    return [members, partitions];
  },
  detail: (details, group) => {
    const [members, partitions] = details.children;
    if (members === undefined || partitions === undefined) return;
    fill(
      members,
      group.members,
      "member",
      ({ memberId }) => memberId,
      (row, member) =>
        setCells(row, [
          heading(member.memberId + (member.away ? " (away)" : "")),
          cell(member.staticId ?? "none"),
          cell(member.clientId),
          cell(member.host),
          cell(
            member.assigned.map(({ topic, partitions: owned }) => topic + " " + ranges(owned)).join("; ") || "none",
            "wide",
          ),
        ]),
      group.memberCount - group.members.length,
    );
    fill(
      partitions,
      group.partitions,
      "partition",
      ({ topic, partition }) => topic + "/" + partition,
      (row, { topic, partition, committed, lagRecords, lagMs, memberId }) =>
        setCells(row, [
          heading(topic + "/" + partition),
          number(committed === null ? "none" : count(committed)),
          number(count(lagRecords)),
          number(duration(lagMs)),
          cell(memberId ?? "nobody"),
        ]),
      group.partitionCount - group.partitions.length,
    );
  },
};
`;

/** Searching, drawing, asking again and again. */
const LIFE = String.raw`
const PERIOD_MS = 2000;
const ANSWER_MS = 8000;
/** @type {ClusterStatus | null} */
let current = null;
let asking = false;
/** @type {number | undefined} */
let timer;
const search = /** @type {HTMLInputElement} */ (byId("search"));
const ill = /** @type {HTMLInputElement} */ (byId("ill"));
const onlyIll = () => ill.checked;
/** @param {string} text */
const isSought = (text) => text.toLowerCase().includes(search.value.trim().toLowerCase());

/** @param {ClusterStatus} status */
const drawHead = (status) => {
  const { brokers, topics, groups, problems, problemCount } = status;
  const partitions = topics.flatMap((topic) => topic.partitions);
  const led = partitions.filter(({ leader }) => leader !== null).length;
  const full = partitions.filter(isWell).length;
  const ready = brokers.filter((broker) => broker.ready).length;
  setText(byId("cluster"), status.clusterId === null ? "no cluster yet" : "cluster " + status.clusterId);
  setText(byId("source"), "as broker " + status.brokerId + " sees it");
  setText(byId("updated"), "updated " + new Date(status.atMs).toLocaleTimeString());
  document.title = (problemCount === 0 ? "" : "(" + problemCount + ") ") + "Varve";
  const health = byId("health");
  health.className = problemCount === 0 ? "health good" : "health";
  setText(health, problemCount === 0 ? "All is well." : counted(problemCount, "problem"));
  keep(byId("problems"), problems.slice(0, 20), (text) => text, (text) => element("li", "", text), () => {});
  setText(byId("problems-more"), problemCount > 20 ? "and " + counted(problemCount - 20, "more", "more") : "");
  setText(byId("tile-brokers"), ready + " of " + brokers.length);
  setText(byId("tile-topics"), count(topics.length));
  setText(byId("tile-led"), count(led) + " of " + count(partitions.length));
  setText(byId("tile-replicated"), count(full) + " of " + count(partitions.length));
  setText(byId("tile-groups"), count(groups.length + status.omitted.groups));
  setText(byId("tile-lag"), count(sum(groups.map(({ lagRecords }) => lagRecords))));
};
/** @param {string} what @param {number} shown @param {number} all @param {number} omitted */
const drawCount = (what, shown, all, omitted) => {
  const notes = [shown === all ? count(all) : count(shown) + " of " + count(all)];
  if (shown > ROWS_MAX) notes.push("the first " + ROWS_MAX + " are shown: search for others");
  if (omitted > 0) notes.push(counted(omitted, what) + " beyond the limit of this page");
  setText(byId(what === "group" ? "groups-count" : "topics-count"), notes.join(", "));
  byId(what === "group" ? "groups-none" : "topics-none").hidden = shown > 0;
};
const draw = () => {
  if (current === null) return;
  const { topics, groups, omitted } = current;
  drawHead(current);
  drawBrokers(current);
  const shownTopics = topics.filter(
    ({ topic, partitions }) => isSought(topic) && (!onlyIll() || partitions.some((partition) => !isWell(partition))),
  );
  const shownGroups = groups.filter(
    ({ group, members, lagRecords }) =>
      (isSought(group) || members.some(({ clientId, staticId }) => isSought(clientId + "\n" + (staticId ?? "")))) &&
      (!onlyIll() || lagRecords !== 0),
  );
  entries(byId("topics-body"), shownTopics, TOPICS);
  entries(byId("groups-body"), shownGroups, GROUPS);
  drawCount("partition", shownTopics.length, topics.length, omitted.partitions);
  drawCount("group", shownGroups.length, groups.length, omitted.groups);
  document.body.dataset.drawn = "true";
};
/** @param {string | null} why */
const setLost = (why) => {
  const banner = byId("lost");
  document.body.classList.toggle("stale", why !== null);
  setText(
    banner,
    why === null
      ? ""
      : "Connection lost: " + why + ". " + (current === null ? "" : "What is shown is of " + new Date(current.atMs).toLocaleTimeString() + ". ") + "Trying again every 2 seconds.",
  );
  banner.hidden = why === null;
};
const ask = async () => {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    if (!answer.ok) throw new Error("the broker answers " + answer.status);
    current = await answer.json();
    setLost(null);
    draw();
  } catch (error) {
    setLost(error instanceof Error && error.name === "TimeoutError" ? "no answer" : error instanceof TypeError ? "the broker cannot be reached" : String(error instanceof Error ? error.message : error));
  } finally {
    asking = false;
    if (!document.hidden) timer = setTimeout(ask, PERIOD_MS);
  }
};
search.addEventListener("input", draw);
ill.addEventListener("change", draw);
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) ask();
});
ask();
`;

export const PAGE_SCRIPT = ['"use strict";\n(() => {', FORMAT, ELEMENTS, ENTRIES, SECTIONS, LIFE, "})();\n"].join("");
