/** life.ts: the life of the status page: asking for the status, searching, drawing, and saying when nobody answers. */
export const LIFE = String.raw`
const PERIOD_MS = 2000;
const ANSWER_MS = 8000;
const PROBLEMS_MAX = 10;
/** @type {ClusterStatus | null} */
let current = null;
let asking = false;
/** @type {number | undefined} */
let timer;
const search = /** @type {HTMLInputElement} */ (byId("search"));
const ill = /** @type {HTMLInputElement} */ (byId("ill"));
/** What is looked for: a part of a name, and behind a slash the beginning of a partition's number. */
const sought = () => {
  const [name = "", partition = ""] = search.value.trim().toLowerCase().split("/");
  return { name, partition };
};
/** @param {string} text */
const isSought = (text) => text.toLowerCase().includes(sought().name);
/** @param {PartitionRow} partition */
const isShown = (partition) =>
  String(partition.partition).startsWith(sought().partition) && (!ill.checked || !isWell(partition));
/** @param {ClusterStatus} status */
const timeOf = ({ atMs }) => new Date(atMs).toLocaleTimeString();

/** @param {ClusterStatus} status */
const drawHead = (status) => {
  const { brokers, topics, groups, problems, problemCount } = status;
  const partitions = topics.flatMap((topic) => topic.partitions);
  const led = partitions.filter(({ leader }) => leader !== null).length;
  const full = partitions.filter(isWell).length;
  const ready = brokers.filter((broker) => broker.ready).length;
  setText(byId("cluster"), status.clusterId === null ? "no cluster yet" : "cluster " + status.clusterId);
  setText(byId("source"), "as broker " + status.brokerId + " sees it");
  setText(byId("updated"), "updated " + timeOf(status));
  document.title = (problemCount === 0 ? "" : "(" + problemCount + ") ") + "Varve";
  const health = byId("health");
  health.className = problemCount === 0 ? "health good" : "health";
  setText(health, problemCount === 0 ? "All is well." : counted(problemCount, "problem"));
  keep(byId("problems"), problems.slice(0, PROBLEMS_MAX), (text) => text, (text) => element("li", "", text), () => {});
  setText(byId("problems-more"), problemCount > PROBLEMS_MAX ? "and " + count(problemCount - PROBLEMS_MAX) + " more" : "");
  setText(byId("tile-brokers"), ready + " of " + brokers.length);
  setText(byId("tile-topics"), count(topics.length));
  setText(byId("tile-led"), count(led) + " of " + count(partitions.length));
  setText(byId("tile-replicated"), count(full) + " of " + count(partitions.length));
  setText(byId("tile-groups"), count(groups.length + status.omitted.groups));
  setText(byId("tile-lag"), count(sum(groups.map(({ lagRecords }) => lagRecords))));
};
/** @param {string} what @param {number} shown @param {number} all @param {number} omitted */
const drawCount = (what, shown, all, omitted) => {
  const notes = [shown === all ? count(all) : count(shown) + " of " + count(all)];
  if (shown > ROWS_MAX) notes.push("the first " + ROWS_MAX + " are shown: search for the others");
  if (omitted > 0) notes.push(counted(omitted, what) + " beyond the limit of this page");
  setText(byId(what === "group" ? "groups-count" : "topics-count"), notes.join(", "));
  byId(what === "group" ? "groups-none" : "topics-none").hidden = shown > 0;
};
const draw = () => {
  if (current === null) return;
  const { topics, groups, omitted } = current;
  drawHead(current);
  drawBrokers(current);
  const shownTopics = topics.filter(
    ({ topic, partitions }) => isSought(topic) && (partitions.some(isShown) || (partitions.length === 0 && !ill.checked)),
  );
  const shownGroups = groups.filter(
    ({ group, members, lagRecords }) =>
      (isSought(group) || members.some(({ clientId, staticId }) => isSought(clientId + "\n" + (staticId ?? "")))) &&
      (!ill.checked || lagRecords !== 0),
  );
  entries(byId("topics-body"), shownTopics, TOPICS);
  entries(byId("groups-body"), shownGroups, GROUPS);
  drawCount("partition", shownTopics.length, topics.length, omitted.partitions);
  drawCount("group", shownGroups.length, groups.length, omitted.groups);
};
/** @param {string | null} why */
const setLost = (why) => {
  const banner = byId("lost");
  document.body.classList.toggle("stale", why !== null);
  setText(
    banner,
    why === null
      ? ""
      : "Connection lost: " + why + ". " + (current === null ? "" : "What is shown is of " + timeOf(current) + ". ") +
          "Trying again every 2 seconds.",
  );
  banner.hidden = why === null;
};
const ask = async () => {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  /** @type {string | null} */
  let failure = null;
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.ok) current = await answer.json();
    else failure = "the broker answers " + answer.status;
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    failure = isLate ? "the broker does not answer" : "the broker cannot be reached";
  }
  asking = false;
  if (!document.hidden) timer = setTimeout(ask, PERIOD_MS);
  setLost(failure);
  if (failure === null) draw();
};
search.addEventListener("input", draw);
ill.addEventListener("change", draw);
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) ask();
});
ask();
`;
