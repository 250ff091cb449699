/**
 * page-script.ts: what the status page does in the browser: asks for /status.json, and writes what has changed into the document.
 *
 * Its parts are texts of plain JavaScript with types in JSDoc, put together into one function; a test has the TypeScript compiler check it.
 * Invariants:
 *   P1  whatever the status holds reaches the document as text or as an attribute's value, never as markup: no innerHTML and its kin
 *   P2  rows are kept from one status to the next by their keys, so that focus, selection and what is open stay as they are
 *   P3  a list draws at most ROWS_MAX rows and says how many more there are
 */
import { ELEMENTS } from "./script/elements.js";
import { ENTRIES } from "./script/entries.js";
import { FORMAT } from "./script/format.js";
import { LIFE } from "./script/life.js";
import { SECTIONS } from "./script/sections.js";

export const PAGE_SCRIPT = ['"use strict";\n(() => {', FORMAT, ELEMENTS, ENTRIES, SECTIONS, LIFE, "})();\n"].join("");
