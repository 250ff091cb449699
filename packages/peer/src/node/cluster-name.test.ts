/** cluster-name.test.ts: which cluster a certificate names, and that no name can pretend to be another. */
import { expect, test } from "vitest";
import { clustersNamed, strangeness } from "./cluster-name.js";

test.each([
  { names: undefined, clusters: [] },
  { names: "", clusters: [] },
  { names: "DNS:localhost, IP Address:127.0.0.1", clusters: [] },
  { names: "URI:varve://cluster/abc", clusters: ["abc"] },
  { names: "DNS:a, URI:varve://cluster/abc, IP Address:::1", clusters: ["abc"] },
  { names: "URI:varve://cluster/a, URI:varve://cluster/b", clusters: ["a", "b"] },
  { names: "URI:https://varve://cluster/abc", clusters: [] },
  { names: "DNS:varve://cluster/abc", clusters: [] },
  { names: "URI:varve://cluster/", clusters: [] },
  { names: "URI:varve://cluster/a/b", clusters: [] },
  // As Node.js quotes names that hold what separates names.
  { names: 'DNS:"a, URI:varve://cluster/abc"', clusters: [] },
  { names: 'DNS:"a\\", URI:varve://cluster/abc"', clusters: [] },
  { names: 'othername:"x", URI:varve://cluster/abc', clusters: ["abc"] },
])("$names names $clusters", ({ names, clusters }) => {
  expect(clustersNamed(names)).toEqual(clusters);
});

test("the reason tells a certificate of another cluster from one of none", () => {
  expect(strangeness("URI:varve://cluster/abc", "abc")).toBeNull();
  expect(strangeness("URI:varve://cluster/abcd", "abc")).toContain("is of cluster abcd, this broker's is abc");
  expect(strangeness("DNS:abc", "abc")).toContain("names no cluster");
});
