/** upgrade.ts: 5.6: from the image of the version before to this one and back, before the feature level is finalised; then for good. */
import type { Image } from "../settings.js";
import { type Context, expect, expectShortGaps, type Place, type Scenario } from "./scenario.js";

export const upgrade: Scenario = {
  id: "5.6",
  name: "upgrade",
  title: "the version before, this one, back, and for good",
  underLoad: false,
  skip: ({ settings }) => (settings.previousImage === null ? "VARVE_KUBE_PREVIOUS_IMAGE is not set" : null),
  run: (context) => context.inNamespace("upgrade", (place) => upAndDown(context, place)),
};

async function upAndDown(context: Context, place: Place): Promise<void> {
  const { baseline, settings, note } = context;
  const { helm, cluster } = place;
  const old = settings.previousImage;
  if (old === null) return;
  await helm.install({ ...baseline, ...valuesOf(old) });
  await cluster.whenWhole(3);
  await context.underLoad({ place, tlsSecret: null }, async ({ step }) => {
    const roll = async (name: string, image: Image): Promise<void> => {
      const rows = await step(name, "all", async () => {
        await helm.upgrade(valuesOf(image));
        await cluster.rolledOut();
      });
      expectShortGaps(rows);
    };
    const level = async (): Promise<number> => {
      const said = await cluster.varve(["cluster", "features", "--json"]);
      return (JSON.parse(said) as { readonly level: number }).level;
    };
    await roll("upgrade", settings.image);
    const before = await level();
    await roll("back to the version before", old);
    await roll("upgrade again", settings.image);
    expect((await level()) === before, `the feature level rose from ${before} to ${await level()} without a command`);
    await cluster.varve(["cluster", "finalize"]);
    note(`feature level ${before} before and ${await level()} after varve cluster finalize`);
  });
}

const valuesOf = ({ repository, tag }: Image) => ({ "image.repository": repository, "image.tag": tag });
