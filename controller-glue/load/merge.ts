// The files together: duplicates are found, everything else is only put side by side.
import type { Problem } from '../problem.ts';
import { noResources, objectKey, objectName } from '../resources.ts';
import type { Resource, Resources } from '../resources.ts';
import type { LoadedFile } from './load-file.ts';

type Lists = { -readonly [List in keyof Resources]: Resources[List][number][] };

/** The same object twice is an error on both: neither may decide what is open, so whatever they cover is closed. */
export function merge(files: readonly Pick<LoadedFile, 'objects'>[]): { resources: Resources; problems: readonly Problem[] } {
  const entries = files.flatMap(({ objects }) => objects);
  const places = new Map<string, Resource<unknown>[]>();
  for (const { resource } of entries) {
    const key = objectKey(resource.ref);
    const same = places.get(key);
    if (same === undefined) places.set(key, [resource]);
    else same.push(resource);
  }
  const problems: Problem[] = [];
  const lists = Object.fromEntries(Object.keys(noResources).map((list) => [list, []])) as unknown as Lists;
  for (const { list, resource } of entries) {
    const same = places.get(objectKey(resource.ref)) ?? [];
    const duplicate = same.length > 1 ? duplicated(resource, same) : undefined;
    if (duplicate !== undefined) problems.push(duplicate);
    const kept = duplicate === undefined ? resource : { ...resource, problems: [...resource.problems, duplicate] };
    (lists[list] as Resource<unknown>[]).push(kept);
  }
  return { resources: lists, problems };
}

function duplicated(resource: Resource<unknown>, all: readonly Resource<unknown>[]): Problem {
  const others = all.filter((other) => other !== resource).map(({ source }) => `${source.file}:${source.line}`);
  return {
    file: resource.source.file, line: resource.source.line, path: '', severity: 'error', object: resource.ref,
    message: `${objectName(resource.ref)} is given twice: also at ${others.join(', ')}`,
  };
}
