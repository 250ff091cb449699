/** elements.ts: elements, tables, and lists that are kept in step with data, for the script of the status page. */
export const ELEMENTS = String.raw`
const ROWS_MAX = 1000;
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
  const wanted = new Set(items.map(keyOf));
  /** @type {Map<string, HTMLElement>} */
  const known = new Map();
  // What is gone goes first: a row that stays is not moved then, and keeps the focus.
  for (const child of [...parent.children]) {
    const key = child instanceof HTMLElement ? child.dataset.key : undefined;
    if (child instanceof HTMLElement && key !== undefined && wanted.has(key)) known.set(key, child);
    else child.remove();
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
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
