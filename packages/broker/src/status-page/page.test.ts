import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { statusPage } from "./page.js";
import { PAGE_SCRIPT } from "./page-script.js";
import { PAGE_STYLE } from "./page-style.js";

const page = statusPage((text) => createHash("sha256").update(text).digest("base64"));
const markup = page.html.replace(PAGE_SCRIPT, "").replace(PAGE_STYLE, "");
const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

describe("the page", () => {
  test("is one document: it names no other place, and no handler stands in an attribute", () => {
    expect(markup).not.toMatch(/\bsrc=|https?:|<(?:iframe|object|embed|form|base)\b/);
    expect([...markup.matchAll(/href="([^"]*)"/g)].map(([, link]) => link)).toEqual(["data:,"]);
    expect(markup).not.toMatch(/\son\w+\s*=|\sstyle=|javascript:/i);
    expect(PAGE_STYLE).not.toMatch(/url\(|@import/);
  });

  test("never makes markup of a text", () => {
    expect(PAGE_SCRIPT).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\b|new Function|\.on\w+\s*=(?!=)/,
    );
    expect(page.html.match(/<\/script/g)).toHaveLength(1);
    expect(page.html.match(/<\/style/g)).toHaveLength(1);
  });

  test("its tables name themselves and their columns, its field has a label, and what changes by itself is announced", () => {
    expect(markup.match(/<table aria-label="/g)).toHaveLength(markup.match(/<table/g)?.length ?? 0);
    expect(markup.match(/<th scope="col"/g)).toHaveLength(markup.match(/<th\b/g)?.length ?? 0);
    expect(markup).toContain('<label for="search">');
    expect(markup).toMatch(/id="lost"[^>]* role="alert"/);
    expect(markup).toMatch(/id="health"[^>]* role="status"/);
    expect(markup).toContain('<html lang="en">');
  });

  test("its script has the types it says: the compiler of this repository checks it", () => {
    const folder = mkdtempSync(join(tmpdir(), "varve-page-"));
    try {
      const script = join(folder, "page.js");
      const types = fileURLToPath(new URL("status.js", import.meta.url));
      const check = (text: string): string => {
        writeFileSync(script, text.replaceAll("./status.js", types));
        const flags =
          "--ignoreConfig --noEmit --allowJs --checkJs --strict --noUnusedLocals --skipLibCheck --target es2022 --lib es2023,dom,dom.iterable --module nodenext";
        try {
          return execFileSync(fromRoot("node_modules/.bin/tsc"), [...flags.split(" "), script], { encoding: "utf8" });
        } catch (error) {
          return String((error as { readonly stdout: unknown }).stdout);
        }
      };
      expect(check(PAGE_SCRIPT)).toBe("");
      expect(check(PAGE_SCRIPT.replace("group.memberCount", "group.memberKount"))).toContain("memberKount");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string): number => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((left, right) => right - left);
  return (light + 0.05) / (dark + 0.05);
}

const [LIGHT = "", DARK = ""] = [...PAGE_STYLE.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) => block);
const PAIRS = [
  "text/ground",
  "text/card",
  "text/hover",
  "quiet/ground",
  "quiet/card",
  "quiet/hover",
  "accent/card",
].concat(["good/good-ground", "bad/bad-ground", "warn/warn-ground"]);

test.each([
  { scheme: "light", block: LIGHT },
  { scheme: "dark", block: DARK },
])("every text has a contrast of 4.5 or more to its ground, $scheme", ({ block }) => {
  const colour = (name: string): string => new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(block)?.[1] ?? "";
  for (const pair of PAIRS) {
    const [text = "", ground = ""] = pair.split("/").map(colour);
    expect(text, pair).not.toBe("");
    expect(contrast(text, ground), pair).toBeGreaterThanOrEqual(4.5);
  }
});
