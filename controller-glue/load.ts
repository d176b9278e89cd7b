// YAML text → Resources and Problems. Pure: files are read by whoever calls.
import type { Problem } from './problem.ts';
import type { Resources } from './resources.ts';
import { loadFile } from './load/load-file.ts';
import type { DocumentCache } from './load/load-file.ts';
import { merge } from './load/merge.ts';

export interface Loaded {
  readonly resources: Resources;
  readonly problems: readonly Problem[];
  /** See LoadedFile.fatal: true when any file is. */
  readonly fatal: boolean;
}

/** All files at once. Who keeps a file's last good objects over a reload calls loadFile and merge instead. */
export function load(files: readonly { readonly path: string; readonly text: string }[], cache: DocumentCache = new Map()): Loaded {
  const loaded = files.map(({ path, text }) => loadFile(path, text, cache));
  const { resources, problems } = merge(loaded);
  return { resources, problems: [...loaded.flatMap((file) => file.problems), ...problems], fatal: loaded.some(({ fatal }) => fatal) };
}
