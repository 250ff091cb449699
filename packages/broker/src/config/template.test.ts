import { describe, expect, test } from "vitest";
import { parseConfig } from "./parse-config.js";
import { fillTemplate } from "./template.js";

const POD = { HOSTNAME: "varve-2", NAMESPACE: "logs" };

describe("a template", () => {
  test.each([
    { template: `\${HOSTNAME}.varve.\${NAMESPACE}.svc:7650`, text: "varve-2.varve.logs.svc:7650" },
    { template: "node.example.com:{ordinal+31650}", text: "node.example.com:31652" },
    { template: "{ordinal}", text: "2" },
    { template: "{ordinal+1}-{ordinal}", text: "3-2" },
    { template: "plain:7650", text: "plain:7650" },
    { template: "$HOSTNAME", text: "$HOSTNAME" },
  ])("$template is $text on a pod", ({ template, text }) => {
    expect(fillTemplate(template, POD)).toEqual({ text });
  });

  test("names every variable that it lacks", () => {
    const { problems } = fillTemplate(`\${ONE}.\${TWO}:{ordinal}`, { ONE: "", HOSTNAME: "laptop" }) as {
      problems: string[];
    };
    expect(problems).toEqual([
      `has \${ONE}, but the variable ONE is not set`,
      `has \${TWO}, but the variable TWO is not set`,
      'has {ordinal}, but the variable HOSTNAME ("laptop") does not end in a dash and a number',
    ]);
  });

  test.each([`\${}`, `\${A-B}`, "{}", "{ordinal+}", "{Ordinal}", "{oridnal}", "{ordinal", "}", `\${HOSTNAME`])(
    "with %s in it is refused by that name",
    (place) => {
      expect(fillTemplate(`zone-${place}`, POD)).toEqual({
        problems: [`has ${place}, but only \${NAME}, {ordinal} and {ordinal+N} are filled in`],
      });
    },
  );

  test("what a variable holds is not filled in again", () => {
    expect(fillTemplate(`\${A}`, { A: `\${HOSTNAME}`, HOSTNAME: "h" })).toEqual({ text: `\${HOSTNAME}` });
  });
});

describe("a configuration for all pods of a set", () => {
  const FILE = {
    brokerId: "{ordinal+1}",
    rack: `\${ZONE}`,
    host: `\${NODE_NAME}`,
    cluster: { seeds: ["varve-0.varve:7651"] },
    listen: { address: "0.0.0.0", insecure: true },
    advertised: {
      grpcAddress: "node.example.com:{ordinal+31650}",
      peerAddress: `\${HOSTNAME}.varve:7651`,
      opsAddress: `\${HOSTNAME}.varve:7652`,
    },
  };

  test("is each pod's own, known before it starts", () => {
    expect(parseConfig(FILE, { HOSTNAME: "varve-2", ZONE: "zone-b", NODE_NAME: "node-7" })).toMatchObject({
      brokerId: 3,
      rack: "zone-b",
      host: "node-7",
      advertised: {
        grpcAddress: "node.example.com:31652",
        peerAddress: "varve-2.varve:7651",
        opsAddress: "varve-2.varve:7652",
      },
    });
  });

  test("may come from variables, too", () => {
    const env = {
      HOSTNAME: "varve-0",
      VARVE_BROKER_ID: "{ordinal+1}",
      VARVE_ADVERTISED_GRPC_ADDRESS: `\${HOSTNAME}:7650`,
    };
    expect(parseConfig({ cluster: { seeds: ["h:1"] } }, env)).toMatchObject({
      brokerId: 1,
      advertised: { grpcAddress: "varve-0:7650" },
    });
  });

  test.each([
    {
      what: "an address that is none once it is filled in",
      env: { HOSTNAME: "varve 2", ZONE: "z", NODE_NAME: "n" },
      says: "is not host:port",
    },
    {
      what: "a variable that is not set",
      env: { HOSTNAME: "varve-2", ZONE: "z" },
      says: `host has \${NODE_NAME}, but`,
    },
    {
      what: "a host name without a number",
      env: { HOSTNAME: "laptop", ZONE: "z", NODE_NAME: "n" },
      says: "brokerId has {ordinal+1}, but",
    },
    {
      what: "a mistyped place",
      env: { HOSTNAME: "varve-2", ZONE: "z", NODE_NAME: "n", VARVE_RACK: "{zone}-{Ordinal}" },
      says: /VARVE_RACK \(rack\) has {zone}, but only .*\n.*VARVE_RACK \(rack\) has {Ordinal}, but/,
    },
  ])("$what is refused", ({ env, says }) => {
    expect(() => parseConfig(FILE, env)).toThrow(says);
  });

  test("a number in quotes is still no number, and other settings know no templates", () => {
    expect(() => parseConfig({ ...FILE, brokerId: "7" }, { HOSTNAME: "varve-2" })).toThrow(
      "brokerId must be an integer",
    );
    expect(parseConfig({ brokerId: 1, cluster: { seeds: ["h:1"] }, dataDir: `/d/\${HOSTNAME}` }).dataDir).toBe(
      `/d/\${HOSTNAME}`,
    );
  });
});

describe("the rack from a file", () => {
  const read = (text: string) => (): string => text;
  const rackOf = (settings: object, readFile?: (path: string) => string): string | null =>
    parseConfig({ brokerId: 1, cluster: { seeds: ["h:1"] }, ...settings }, {}, readFile).rack;

  test("is what stands in it, without what is around", () => {
    expect(rackOf({ rackFile: "/etc/podinfo/zone" }, read(" zone-c\n"))).toBe("zone-c");
  });

  test("is not asked for when the rack is set", () => {
    const never = (): string => {
      throw new Error("read");
    };
    expect(rackOf({ rack: "a", rackFile: "/f" }, never)).toBe("a");
  });

  test("is none when the file is empty, as where a node has no zone", () => {
    expect(rackOf({ rackFile: "/f" }, read("\n"))).toBeNull();
  });

  test("is a problem when the file cannot be read, or holds what no rack is", () => {
    const absent = (): string => {
      throw new Error("ENOENT: no such file");
    };
    expect(() => rackOf({ rackFile: "/f" }, absent)).toThrow("rackFile: /f cannot be read: ENOENT");
    expect(() => rackOf({ rackFile: "/f" }, read("x".repeat(256)))).toThrow("1 to 255 characters");
  });
});
