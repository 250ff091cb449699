/**
 * longest-first.ts: the order of test files: those that take longest begin first, so that the last worker is not alone for long.
 *
 * Vitest knows durations from earlier runs only, of which a clean checkout has none.
 */
import { BaseSequencer, type TestSequencerConstructor, type TestSpecification } from "vitest/node";

/** @param longest parts of paths, the longest first; files that none of them names follow. */
export function longestFirst(longest: readonly string[]): TestSequencerConstructor {
  const placeOf = ({ moduleId }: TestSpecification): number => {
    const place = longest.findIndex((part) => moduleId.includes(part));
    return place === -1 ? longest.length : place;
  };
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      return (await super.sort(files)).sort((left, right) => placeOf(left) - placeOf(right));
    }
  };
}
