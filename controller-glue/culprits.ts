// Which of several changes does Envoy refuse? Halves are tried one after the other; what is accepted stays in force.

/**
 * `accepts` publishes the state in which exactly these changes are made, and says whether Envoy took it. Returns the changes that cannot be
 * made even with only accepted ones beside them, each with Envoy's words. At most 2·log2(n) tries for each culprit.
 */
export async function findCulprits(changes: readonly string[], accepts: (made: ReadonlySet<string>) => Promise<string | undefined>): Promise<Map<string, string>> {
  const culprits = new Map<string, string>();
  const made = new Set<string>();
  const search = async (some: readonly string[]): Promise<void> => {
    const refusal = await accepts(new Set([...made, ...some]));
    if (refusal === undefined) for (const change of some) made.add(change);
    else if (some.length === 1 && some[0] !== undefined) culprits.set(some[0], refusal);
    else {
      const half = some.length >> 1;
      await search(some.slice(0, half));
      await search(some.slice(half));
    }
  };
  if (changes.length > 0) await search(changes);
  return culprits;
}
