/**
 * headless-browser.ts: a real browser without a window, driven over the DevTools protocol through a pair of pipes: no port, no dependency.
 *
 * Source: Chrome DevTools Protocol (`--remote-debugging-pipe`: JSON messages, each ended by a zero byte, in on descriptor 3, out on 4).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { expect } from "vitest";

const NAMES: readonly string[] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const LOOK_MS = 25;
const CLOSE_MS = 5_000;

/** Debian's Chromium or a Chrome on the path; null: none is installed. */
export function findChromium(): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

interface Waiting {
  readonly resolve: (result: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: Error) => void;
}

export class HeadlessBrowser {
  private readonly process: ChildProcess;
  private readonly folder: string;
  private readonly ended: Promise<void>;
  private readonly waiting = new Map<number, Waiting>();
  private readonly pages = new Map<string, BrowserPage>();
  private nextId = 1;
  private unread = "";

  private constructor(executable: string) {
    this.folder = mkdtempSync(join(tmpdir(), "varve-browser-"));
    const flags = ["--headless", "--remote-debugging-pipe", `--user-data-dir=${this.folder}`, ...QUIET_FLAGS];
    this.process = spawn(executable, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => {
      this.process.once("close", () => resolve());
      this.process.once("error", () => resolve());
    });
    void this.ended.then(() => this.failAll());
    const out = this.process.stdio[4] as Readable;
    out.setEncoding("utf8");
    out.on("data", (text: string) => this.read(text));
    (this.process.stdio[3] as Writable).on("error", () => {});
  }

  static async start(executable: string): Promise<HeadlessBrowser> {
    const browser = new HeadlessBrowser(executable);
    await browser.call("Browser.getVersion", {});
    return browser;
  }

  /** Opens a page; resolves when it has been asked for. */
  async open(url: string): Promise<BrowserPage> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new BrowserPage((method, params) => this.call(method, params, String(sessionId)));
    this.pages.set(String(sessionId), page);
    for (const domain of ["Page", "Runtime", "Log"]) await page.call(`${domain}.enable`, {});
    await page.call("Page.navigate", { url });
    return page;
  }

  /** Ends the browser; nothing of it is left. */
  async close(): Promise<void> {
    this.call("Browser.close", {}).catch(() => {});
    const timer = setTimeout(() => this.process.kill("SIGKILL"), CLOSE_MS);
    await this.ended;
    clearTimeout(timer);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  private call(
    method: string,
    params: Readonly<Record<string, unknown>>,
    sessionId?: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      (this.process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  private read(text: string): void {
    const parts = (this.unread + text).split("\0");
    this.unread = parts.pop() ?? "";
    for (const part of parts) this.handle(JSON.parse(part) as Message);
  }

  private handle({ id, sessionId, method, params, result, error }: Message): void {
    if (id === undefined) {
      if (sessionId !== undefined && method !== undefined) this.pages.get(sessionId)?.note(method, params ?? {});
      return;
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(result ?? {});
    else waiting?.reject(new Error(`the browser refused: ${error.message}`));
  }

  private failAll(): void {
    for (const { reject } of this.waiting.values()) reject(new Error("the browser has ended"));
    this.waiting.clear();
  }
}

/** Nothing but what the page asks for; root has no sandbox. */
const QUIET_FLAGS: readonly string[] = [
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--window-size=1280,1000",
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

export class BrowserPage {
  readonly call: (
    method: string,
    params: Readonly<Record<string, unknown>>,
  ) => Promise<Readonly<Record<string, unknown>>>;
  /** What the page got wrong: exceptions, refusals by its content security policy, requests that failed. */
  readonly complaints: string[] = [];

  constructor(call: BrowserPage["call"]) {
    this.call = call;
  }

  note(method: string, params: Readonly<Record<string, unknown>>): void {
    if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded")
      this.complaints.push(JSON.stringify(params));
  }

  /** Value of a JavaScript expression in the page; must be JSON. Resolves promises. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const answer = await this.call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (answer["exceptionDetails"] !== undefined) throw new Error(JSON.stringify(answer["exceptionDetails"]));
    return (answer["result"] as { readonly value: Value }).value;
  }

  /** Text that a reader sees, runs of blanks as one. */
  async text(selector: string): Promise<string> {
    const raw = await this.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
    return raw.replace(/\s+/g, " ").trim();
  }

  /** Cells of a table's rows, as a reader sees them. */
  rows(selector: string): Promise<string[][]> {
    const list = `[...document.querySelectorAll(${JSON.stringify(selector)})]`;
    return this.evaluate(
      `${list}.map((row) => [...row.children].map((one) => one.innerText.replace(/\\s+/g, " ").trim()))`,
    );
  }

  /** Clicks as a user does, through the middle of the first element. */
  async click(selector: string): Promise<void> {
    const quoted = JSON.stringify(selector);
    const { x, y } = await this.evaluate<{ x: number; y: number }>(`(() => {
      const found = document.querySelector(${quoted});
      found.scrollIntoView({ block: "center", behavior: "instant" });
      const { left, top, width, height } = found.getBoundingClientRect();
      return { x: left + Math.min(width, 40) / 2, y: top + height / 2 };
    })()`);
    const at = { x, y, button: "left", clickCount: 1 };
    await this.call("Input.dispatchMouseEvent", { type: "mousePressed", ...at });
    await this.call("Input.dispatchMouseEvent", { type: "mouseReleased", ...at });
  }

  /** Types into the element that has the focus. */
  async type(text: string): Promise<void> {
    await this.call("Input.insertText", { text });
  }

  /** Waits until `ask` gives something that passes `check`, which throws while it does not. */
  async until<Value>(ask: () => Promise<Value>, check: (value: Value) => void, deadlineMs = 15_000): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    for (;;) {
      try {
        check(await ask());
        return;
      } catch (error) {
        if (performance.now() > endMs) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS)); // Between two looks; the deadline bounds them.
    }
  }

  /** Waits until the text of an element contains all of `parts`. */
  async shows(selector: string, ...parts: readonly string[]): Promise<void> {
    await this.until(
      () => this.text(selector),
      (text) => {
        for (const part of parts) expect(text).toContain(part);
      },
    );
  }

  /** A PNG of the whole page. */
  async screenshot(path: string, scheme: "light" | "dark" = "light"): Promise<void> {
    await this.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    const { data } = await this.call("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    await writeFile(path, Buffer.from(String(data), "base64"));
  }
}
