// Takes the parts at fault out of a value, so that the rest can be kept and what it covers can be closed.
import type { Path } from './path-text.ts';

type Container = Record<string, unknown> | unknown[];

/** A copy without what is at the paths; undefined when that leaves nothing. A missing field takes its parent with it. */
export function prune(value: unknown, paths: readonly Path[]): { readonly value: unknown } | undefined {
  const copy: unknown = structuredClone(value);
  // From the end, so that taking out one entry of a list does not move those still to come.
  const inOrder = paths.map((path) => existing(copy, path)).sort(backwards);
  let last: Path | undefined;
  for (const path of inOrder) {
    if (path.length === 0) return undefined;
    if (last !== undefined && path.length === last.length && path.every((key, i) => key === last?.[i])) continue;
    last = path;
    remove(copy, path);
  }
  return { value: copy };
}

/** The path itself, or the deepest part of it that is there. */
function existing(root: unknown, path: Path): Path {
  let at: unknown = root;
  for (let i = 0; i < path.length; i++) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, path[i] ?? '')) return path.slice(0, i);
    at = (at as Record<string | number, unknown>)[path[i] ?? ''];
  }
  return path;
}

function remove(root: unknown, path: Path): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string | number, unknown> | undefined)?.[key], root) as Container | undefined;
  const key = path.at(-1);
  if (parent === undefined || parent === null || key === undefined) return;
  if (!Array.isArray(parent)) { delete parent[key]; return; }
  // The rules of a route keep their places: problems and statuses name them by index.
  const entry: unknown = parent[Number(key)];
  const isRule = path.at(-2) === 'rules' && !(typeof entry === 'object' && entry !== null && Object.keys(entry).length === 0);
  if (isRule) parent[Number(key)] = {};
  else parent.splice(Number(key), 1);
}

function backwards(a: Path, b: Path): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? '', b[i] ?? ''];
    if (x === y) continue;
    if (typeof x === 'number' && typeof y === 'number') return y - x;
    return String(x) < String(y) ? 1 : -1;
  }
  return b.length - a.length;   // what is inside goes before what holds it
}
