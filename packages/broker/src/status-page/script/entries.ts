/** entries.ts: what opens on the status page: one row with the name and the figures, one below it with the details, drawn while it is open. */
export const ENTRIES = `
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
