// Does a new reading of a file lack something the last good one had? Then it may be half written. Pure.
import type { LoadedFile } from '../load/load-file.ts';
import { objectKey } from '../resources.ts';

/** True when an object is gone, or a field of one; `after` undefined: the file itself is. A reading that is refused as a whole takes nothing away. */
export function takesAway(before: LoadedFile, after: LoadedFile | undefined): boolean {
  if (after?.fatal === true) return false;
  const now = new Map((after?.objects ?? []).map(({ resource }) => [objectKey(resource.ref), resource]));
  for (const { resource } of before.objects) {
    const same = now.get(objectKey(resource.ref));
    if (same === undefined) return true;
    if (same.source.lines === resource.source.lines) continue;
    for (const path of resource.source.lines.keys()) if (!same.source.lines.has(path)) return true;
  }
  return false;
}
