// Which objects two states of the resources do not share. Pure.
import { type Resource, type Resources, objectKey } from './resources.ts';

/** Keys of the objects that are in one and not in the other, or not the same in both. */
export function differences(before: Resources, after: Resources): string[] {
  const old = byKey(before);
  const changed: string[] = [];
  for (const [key, resource] of byKey(after)) {
    const was = old.get(key);
    old.delete(key);
    if (was === undefined || !same(was, resource)) changed.push(key);
  }
  return [...changed, ...old.keys()];
}

/** `before`, with the objects of `keys` as they are in `after`. */
export function partly(before: Resources, after: Resources, keys: ReadonlySet<string>): Resources {
  const mixed = Object.entries(after).map(([list, resources]: [string, readonly Resource<unknown>[]]) => {
    const taken = resources.filter(({ ref }) => keys.has(objectKey(ref)));
    const kept = before[list as keyof Resources].filter(({ ref }) => !keys.has(objectKey(ref)));
    return [list, [...kept, ...taken]];
  });
  return Object.fromEntries(mixed) as Resources;
}

/** Unchanged documents come from the loader's cache, so the same spec is the same object. */
function same(a: Resource<unknown>, b: Resource<unknown>): boolean {
  return a.spec === b.spec && a.problems.length === b.problems.length && JSON.stringify(a.metadata) === JSON.stringify(b.metadata);
}

function byKey(resources: Resources): Map<string, Resource<unknown>> {
  return new Map(Object.values(resources).flat().map((resource: Resource<unknown>) => [objectKey(resource.ref), resource]));
}
