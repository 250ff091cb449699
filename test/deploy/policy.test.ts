import { describe, expect, test } from "vitest";
import { objectsOf, render, renderText, VALUES } from "./chart.js";
import { broken } from "./policy.js";
import { lacks } from "./tools.js";

describe.skipIf(lacks("helm"))("policy", () => {
  test.each(VALUES.map((values) => ({ values, name: values.join(" + ") || "the defaults" })))(
    "nothing is broken by $name",
    ({ values }) => {
      expect(broken(render(values))).toEqual([]);
    },
  );

  test.each([
    ["runAsNonRoot: true", "runAsNonRoot: false", "runs as root"],
    ["drop: [ALL]", "add: [SYS_ADMIN]", "has capabilities"],
    ["readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "writes to its root"],
    ["image: varve:0.1.0", "image: varve:latest", "has an image that changes"],
    ["image: varve:0.1.0", "image: varve", "has an image that changes"],
    [
      "limits:\n              memory: 1Gi",
      "limits:\n              memory: 2Gi",
      "has no limit of memory, or requests less",
    ],
    ["path: /readyz, port: http-ops", "path: /readyz, port: grpc-client", "readinessProbe does not ask"],
    ["maxUnavailable: 1", "maxUnavailable: 2", "the budget is not of one pod"],
    ["whenScaled: Retain", "whenScaled: Delete", "volumes go with their pods"],
    ["enableServiceLinks: false", "enableServiceLinks: true", "gets variables of services"],
  ])("is broken when %j becomes %j", (right, wrong, why) => {
    const text = renderText([]);
    expect(text).toContain(right);
    expect(broken(objectsOf(text.replaceAll(right, wrong))).join("\n")).toContain(why);
  });
});
