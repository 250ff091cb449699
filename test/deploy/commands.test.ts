import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { notes } from "./notes.js";
import { DEPLOY, lacks, ROOT } from "./tools.js";

/** Commands of the command line that a text names, without their arguments. */
function commandsIn(text: string): Set<string> {
  const found = [...text.matchAll(/(?:-- |`|^\s*|npx )varve ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/gm)];
  const ofOneWord = ["produce", "consume", "doctor", "dev"];
  return new Set(
    found.map(([, first = "", second]) => (ofOneWord.includes(first) ? first : `${first} ${second ?? ""}`.trim())),
  );
}

/** Whether there is such a command. */
function isThere(command: string): boolean {
  const help = execFileSync(process.execPath, [`${ROOT}packages/cli/bin/varve.js`, ...command.split(" "), "--help"], {
    encoding: "utf8",
  });
  return help.includes(`varve ${command} `);
}

test("runbooks name commands that there are", () => {
  const documents = readdirSync(DEPLOY, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".md"));
  const commands = commandsIn(documents.map((path) => readFileSync(join(DEPLOY, path), "utf8")).join("\n"));
  expect(commands).toContain("broker replace");
  expect([...commands].filter((command) => !isThere(command))).toEqual([]);
});

describe.skipIf(lacks("helm"))("what helm install prints", () => {
  test("names commands that there are", () => {
    const commands = commandsIn(notes());
    expect(commands).toContain("produce");
    expect(commands).toContain("broker decommission");
    expect([...commands].filter((command) => !isThere(command))).toEqual([]);
  });

  test("says that brokers have no racks, where Kubernetes does not tell pods their zone", () => {
    expect(notes()).not.toContain("no racks");
    expect(notes([], "logs", "1.34.2")).toContain("no racks: Kubernetes v1.34.2");
    for (const set of ["rack.fromNode=true", "replicas=1", "config.rack=a"])
      expect(notes([set], "logs", "1.34.2")).not.toContain("no racks");
  });

  test("tells where clients begin, and what is not encrypted", () => {
    expect(notes()).toContain("varve.logs.svc:7650");
    expect(notes()).toContain("clients (tls.enabled) brokers (peerTls.enabled)");
    const secured = ["tls.enabled=true", "tls.secretName=a", "peerTls.enabled=true", "peerTls.secretName=b"];
    expect(notes(secured)).not.toContain("not encrypted");
  });

  test("names the address of each broker outside, the secret of clients' authority, and brokers that there are", () => {
    const outside = ["external.enabled=true", "external.advertised=example.com:{ordinal+31650}", "replicas=2"];
    expect(notes(outside)).toContain("these addresses   example.com:31650, example.com:31651\n");
    expect(notes()).not.toContain("get secret");
    const secured = notes(["tls.enabled=true", "tls.secretName=a"]);
    expect(secured).toContain("kubectl -n logs get secret a -o jsonpath='{.data.ca\\.crt}' | base64 -d > ca.crt");
    expect(secured).not.toContain("have a certificate");
    expect(notes(["tls.enabled=true", "tls.secretName=a", "tls.clientAuth=required"])).toContain("have a certificate");
    expect(notes(["replicas=5"])).toMatch(/decommission 5 --progress\n.*--set replicas=4$/m);
    for (const replicas of [0, 1]) expect(notes([`replicas=${replicas}`])).not.toContain("decommission");
  });

  test("gives every command of kubectl and helm the namespace", () => {
    const set = ["tls.enabled=true", "tls.secretName=a"];
    const given = [...notes(set).matchAll(/\b(kubectl|helm) (\S+ \S+)/g)].map(([, , namespace]) => namespace);
    expect(given.length).toBeGreaterThan(7);
    expect(new Set(given)).toEqual(new Set(["-n logs"]));
  });
});
