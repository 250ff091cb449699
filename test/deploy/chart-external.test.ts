/** chart-external.test.ts: clients outside reach each broker at the address that they are told: Services, certificate and network policy fit it. */
import { describe, expect, test } from "vitest";
import { at, find, render, renderText } from "./chart.js";
import { lacks } from "./tools.js";

/** What the broker fills in, and nobody before. */
const NODE = `\${NODE_NAME}`;

const external = (advertised: string, ...further: string[]): string[] => [
  "external.enabled=true",
  `external.advertised=${advertised}`,
  ...further,
];
const certified = ["tls.enabled=true", "certManager.enabled=true", "certManager.issuer.name=ca"];
const certificateOf = (set: readonly string[]): unknown =>
  find(render([], [...set, ...certified]), "Certificate", "varve-tls")["spec"];

describe.skipIf(lacks("helm"))("clients outside", () => {
  test("are let in by production's values, through load balancers and the network policy, to brokers whose certificate has their names", () => {
    const objects = render(["values-production.yaml", "values-external-lb.yaml"]);
    const names = at(find(objects, "Certificate", "varve-tls"), "spec", "dnsNames");
    expect(names).toEqual(expect.arrayContaining([0, 1, 2].map((n) => `varve-${n}.example.com`)));
    const service = find(objects, "Service", "varve-2-external");
    expect(service["spec"]).toMatchObject({ type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/24"] });
    expect(at(find(objects, "NetworkPolicy", "varve"), "spec", "ingress")).toContainEqual({
      ports: [{ port: "grpc-client", protocol: "TCP" }],
      from: [{ ipBlock: { cidr: "203.0.113.0/24" } }],
    });
  });

  test.each([
    {
      advertised: "varve-{ordinal+1}.example.com:7650",
      dnsNames: ["varve-1.example.com", "varve-2.example.com", "varve-3.example.com"],
    },
    { advertised: "node.example.com:{ordinal+31650}", dnsNames: ["node.example.com"] },
    { advertised: "172.18.0.2:{ordinal+31650}", ipAddresses: ["172.18.0.2"] },
    { advertised: "[fd00::1]:{ordinal+31650}", ipAddresses: ["fd00::1"] },
    { advertised: `${NODE}.example.com:{ordinal+31650}` },
  ])("find the hosts of $advertised in the certificate", ({ advertised, dnsNames = [], ipAddresses }) => {
    const inside = ["varve", "varve.varve", "varve.varve.svc", "*.varve-headless.varve.svc"];
    const made = certificateOf(external(advertised));
    expect(at(made, "dnsNames")).toEqual([...inside, ...dnsNames]);
    expect(at(made, "ipAddresses")).toEqual(ipAddresses);
  });

  test("find a name that was given for the certificate, too, once", () => {
    const set = external("node.example.com:{ordinal+31650}", "tls.dnsNames={node.example.com,other.example.com}");
    expect(at(certificateOf(set), "dnsNames")).toEqual(expect.arrayContaining(["other.example.com"]));
    expect((at(certificateOf(set), "dnsNames") as string[]).filter((name) => name.startsWith("node."))).toHaveLength(1);
  });

  test("speak what the Service says", () => {
    const protocol = (set: readonly string[]): unknown =>
      at(
        find(render(["values-external-nodeport.yaml"], set), "Service", "varve-0-external"),
        "spec",
        "ports",
        0,
        "appProtocol",
      );
    expect(protocol([])).toBe("kubernetes.io/h2c");
    expect(protocol(certified)).toBe("tls");
  });

  test("are not told one address for several brokers", () => {
    expect(() => renderText([], external("node.example.com:31650"))).toThrow("must differ for each broker");
    expect(() => renderText([], external("node.example.com:31650", "replicas=1"))).not.toThrow();
    expect(() => renderText([], external(`${NODE}:31650`))).not.toThrow();
  });

  test("are not shut out by a network policy that does not know them", () => {
    const set = external("node.example.com:{ordinal+31650}", "networkPolicy.enabled=true");
    expect(() => renderText([], set)).toThrow("external.sourceRanges");
  });
});
