// The YAML that -f names, read once: files, folders, or standard input.
import { readFileSync } from 'node:fs';
import type { Loaded } from '../controller-glue/load.ts';
import { loadFile } from '../controller-glue/load/load-file.ts';
import { merge } from '../controller-glue/load/merge.ts';
import { listFiles, readFiles } from '../controller-glue/sources/files.ts';
import { InputError } from './input-error.ts';

/** `-` is standard input. Throws InputError when a path is not there or a folder holds nothing. */
export function readInputs(paths: readonly string[]): Loaded {
  const named = paths.filter((path) => path !== '-');
  if (named.length > 0) existing(named);
  const files = [...(paths.includes('-') ? [loadFile('<stdin>', readFileSync(0, 'utf8'))] : []), ...readFiles(named).files.values()];
  const { resources, problems } = merge(files);
  return { resources, problems: [...files.flatMap((file) => file.problems), ...problems], fatal: files.some(({ fatal }) => fatal) };
}

/** The files behind `paths`, as long as there are any. */
export function existing(paths: readonly string[]): string[] {
  try {
    const files = listFiles(paths);
    if (files.length === 0) throw new InputError(`gatewright: no .yaml, .yml or .json file in ${paths.join(', ')}`);
    return files;
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new InputError(`gatewright: ${error.message.replace(/, \w+ '.*/, '')}: ${paths.join(', ')}`);
    throw error;
  }
}
