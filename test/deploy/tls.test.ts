import { describe, expect, test } from "vitest";
import { at, render, settingsOf } from "./chart.js";
import { podSpecs } from "./policy.js";
import { lacks } from "./tools.js";

describe.skipIf(lacks("helm"))("values-tls-mtls.yaml", () => {
  const objects = (): ReturnType<typeof render> => render(["values-tls-mtls.yaml"]);

  test("is values-tls.yaml with certificates required of clients", () => {
    expect(at(settingsOf(objects()), "tls", "clientAuth")).toBe("required");
    expect(objects()).toEqual(render(["values-tls.yaml"], ["tls.clientAuth=required"]));
  });

  test("gives a certificate to the command line in every pod", () => {
    const { all } = podSpecs(objects());
    expect([...all.keys()].sort()).toEqual(["Job/varve-scale-guard", "Pod/varve-test", "StatefulSet/varve"]);
    for (const { containers, volumes } of all.values()) {
      const env = at(containers[0], "env") as { name: string; value?: string }[];
      const value = (name: string): string | undefined => env.find((entry) => entry.name === name)?.value;
      expect(value("VARVE_CLIENT_TLS_CERT_FILE")).toBe("/etc/varve/tls/tls.crt");
      expect(value("VARVE_CLIENT_TLS_KEY_FILE")).toBe("/etc/varve/tls/tls.key");
      expect(at(containers[0], "volumeMounts")).toContainEqual({
        name: "tls",
        mountPath: "/etc/varve/tls",
        readOnly: true,
      });
      expect(volumes).toContainEqual({ name: "tls", secret: { secretName: "varve-tls", defaultMode: 288 } });
    }
  });
});
