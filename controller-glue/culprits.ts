// Which of several changes does Envoy refuse? Halves are tried one after the other.

/**
 * `refusal` says what is wrong with the state in which exactly these changes are made; undefined: nothing. Returns the changes that cannot be
 * made even with only good ones beside them, each with what was said. At most 2·log2(n) tries for each culprit.
 */
export async function findCulprits(changes: readonly string[], refusal: (made: ReadonlySet<string>) => Promise<string | undefined>): Promise<Map<string, string>> {
  const culprits = new Map<string, string>();
  const made = new Set<string>();
  const search = async (some: readonly string[]): Promise<void> => {
    const said = await refusal(new Set([...made, ...some]));
    if (said === undefined) for (const change of some) made.add(change);
    else if (some.length === 1 && some[0] !== undefined) culprits.set(some[0], said);
    else {
      const half = some.length >> 1;
      await search(some.slice(0, half));
      await search(some.slice(half));
    }
  };
  if (changes.length > 0) await search(changes);
  return culprits;
}
